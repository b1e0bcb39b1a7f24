package admission

import (
	"fmt"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/utils/ptr"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
)

// readyGate lets pods wait until the baseline is in place: one policy until the namespace bears the
// profile's label, which is when Bulwark has been there, and one from then on until the namespace's
// report says that the baseline is.
//
// The API server looks for the report before it asks match conditions, and where there is none yet
// it refuses by itself, in words of its own that name the policy. Where a name is excluded or
// protected there never is one: so the policy that reads it does not match these names, or, where
// one is a glob, is about labelled namespaces only. The API server looks at a namespace anew for
// each policy, and in no order: where the label comes between two looks neither policy may hold,
// and one of some hundred thousand pods that are tried in that moment gets in. A report that
// outlived its namespace, as one does that is finalized by hand, or that was restored with it, says
// nothing of the next one of this name: it names the namespace's uid. The label does not tell,
// since a namespace may be restored with it.
func (r *renderer) readyGate() []Policy {
	p := r.spec.Protection
	if p == nil || p.ReadyGate != v1alpha1.RequirementRequire || r.audits() {
		return nil
	}
	message := fmt.Sprintf("pods wait until the baseline of SecurityProfile %s is in place", r.profile.Name)
	words := func(why string) string {
		return fmt.Sprintf(`"pods in namespace " + request.namespace + %s`, quote(fmt.Sprintf(
			" wait until the baseline of SecurityProfile %s is in place there: %s", r.profile.Name, why)))
	}
	labelled := fmt.Sprintf(
		`namespaceObject.metadata.?labels[?%s].orValue("") == %s`,
		quote(v1alpha1.ProfileLabel),
		quote(r.profile.Name),
	)
	// The API server declares the field as UID, and has it as uid.
	isReady := fmt.Sprintf(
		`params.?status.?conditions.orValue([]).exists(c, c.type == %s && c.status == "True")`,
		quote(v1alpha1.ConditionReady),
	)
	const ofThisNamespace = `params.?namespaceUID.orValue("") == dyn(namespaceObject).metadata.?uid.orValue("")`
	return []Policy{r.policy(draft{
		concern:     waitForBaseline,
		rules:       rulesOn(on("", create, "pods")),
		validations: validations(refusal(labelled, message, words("Bulwark has not been there"))),
	}), r.policy(draft{
		concern:   waitForReport,
		reads:     true,
		rules:     rulesOn(on("", create, "pods")),
		paramKind: &admissionregistrationv1.ParamKind{APIVersion: v1alpha1.GroupVersion.String(), Kind: "NamespacePosture"},
		paramRef: &admissionregistrationv1.ParamRef{
			Name: v1alpha1.PostureName, ParameterNotFoundAction: ptr.To(admissionregistrationv1.DenyAction),
		},
		validations: validations(refusal(
			fmt.Sprintf(`(params.profile == %s && params.enforcement == %s && %s && %s && %s)`,
				quote(r.profile.Name), quote(string(v1alpha1.EnforcementEnforce)), isReady, ofThisNamespace, labelled),
			message, words("its NamespacePosture posture is not ready"),
		)),
	})}
}

// gateReports keeps others from writing the reports that the gate believes, where there is no
// tamper protection. It has the name of the policy by which that does so.
func (r *renderer) gateReports() []Policy {
	p := r.spec.Protection
	if p == nil || p.ReadyGate != v1alpha1.RequirementRequire || r.audits() {
		return nil
	}
	return []Policy{r.policy(draft{
		concern: tamperObjects,
		rules: rulesOn(onVersion(
			v1alpha1.GroupVersion.Group, v1alpha1.GroupVersion.Version, everyWrite, "namespacepostures")),
		conditions: []admissionregistrationv1.MatchCondition{r.notByOperatorOrKubernetes()},
		validations: validations(refusal(
			fmt.Sprintf(`!%s || %s`, writesReport, breaksGlass(p)),
			fmt.Sprintf("%s (spec.protection.readyGate of SecurityProfile %s)", writtenByBulwark, r.profile.Name), "",
		)),
	})}
}
