package admission

import (
	"fmt"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/utils/ptr"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
)

// readyGate lets pods wait until the baseline is in place. The API server reads the namespace's report; where there is none yet,
// it refuses by itself, in words of its own that name the policy: so the policy's name says what is waited for.
func (r *renderer) readyGate() []Policy {
	p := r.spec.Protection
	if p == nil || !p.ReadyGate || r.audits() {
		return nil
	}
	return []Policy{r.policy(draft{
		concern:   "pods-wait-for-baseline",
		rules:     rulesOn(on("", create, "pods")),
		paramKind: &admissionregistrationv1.ParamKind{APIVersion: v1alpha1.GroupVersion.String(), Kind: "NamespacePosture"},
		paramRef: &admissionregistrationv1.ParamRef{
			Name: v1alpha1.PostureName, ParameterNotFoundAction: ptr.To(admissionregistrationv1.DenyAction),
		},
		validations: validations(refusal(
			fmt.Sprintf(`(params.profile == %s && params.enforcement == %s && params.ready)`, quote(r.profile.Name), quote(string(v1alpha1.Enforce))),
			fmt.Sprintf("pods wait until the baseline of SecurityProfile %s is in place", r.profile.Name),
			fmt.Sprintf(`"pods in namespace " + request.namespace + %s`, quote(fmt.Sprintf(
				" wait until the baseline of SecurityProfile %s is in place there: its NamespacePosture posture is not ready", r.profile.Name))),
		)),
	})}
}
