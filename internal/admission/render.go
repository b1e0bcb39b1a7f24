// Package admission renders a SecurityProfile into the ValidatingAdmissionPolicies by which the API
// server itself refuses what reconciling could only undo. A section of the profile has a file.
//
// It is pure: it may import internal/baseline, drift, grants and selection, and no client or clock.
// It must never ask a cluster, nor decide when a policy is put in force.
package admission

import (
	"slices"
	"strings"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/baseline"
)

// Cluster is what the policies of one profile depend on beside it.
type Cluster struct {
	// Outranking are the profiles that govern a namespace before this one does, if they select it.
	// One that never selects the same may be left out.
	Outranking []*v1alpha1.SecurityProfile
	// Protected are names and globs of namespaces that no profile selects.
	Protected []string
	// Operator is the name of the user that the operator is.
	Operator string
	// Proof is by what else policies know the operator, and the parts of Kubernetes, from whom
	// somebody impersonates.
	Proof Proof
	// Held are the rules for pods that are in force in some namespace in place of those of the
	// profile, which wait there.
	Held []Held
}

// Policy is one policy with the binding that puts it in force.
type Policy struct {
	*admissionregistrationv1.ValidatingAdmissionPolicy
	Binding *admissionregistrationv1.ValidatingAdmissionPolicyBinding
}

// Render is the policies that the profile declares, one for each concern, with every value that the
// API server would default. A request is held against them if and only if the profile governs its
// namespace.
func Render(profile *v1alpha1.SecurityProfile, cluster Cluster) []Policy {
	r := renderer{
		profile: profile,
		spec:    &profile.Spec,
		cluster: cluster,
		where: governance{
			profile: profile, outranking: cluster.Outranking, protected: cluster.Protected,
		},
	}
	return slices.Concat(
		r.tamperObjects(), r.tamperNamespaces(), r.readyGate(), r.workloads(), r.services(), r.images(), r.tenantPolicies())
}

// concerns are all that there may be a policy for.
var concerns = []string{
	tamperObjects, tamperNamespaces, waitForBaseline, waitForReport, workloads, services, images, tenantPolicies,
	workloads + waitingSuffix, images + waitingSuffix,
}

const (
	tamperObjects    = "tamper-objects"
	tamperNamespaces = "tamper-namespaces"
	waitForBaseline  = "pods-wait-for-baseline"
	waitForReport    = "pods-wait-for-report"
	workloads        = "workloads"
	services         = "services"
	images           = "images"
	tenantPolicies   = "tenant-network-policies"
)

func nameOf(profile, concern string) string { return v1alpha1.NamePrefix + profile + "-" + concern }

// Guards reports whether the policy or binding of this name guards what the profile of that name
// has established.
func Guards(profile, name string) bool {
	return name == nameOf(profile, tamperObjects) || name == nameOf(profile, tamperNamespaces)
}

// IsNamed reports whether the profile of that name may declare a policy or binding of this name.
func IsNamed(profile, name string) bool {
	return slices.ContainsFunc(concerns, func(concern string) bool { return name == nameOf(profile, concern) }) ||
		JudgesPods(profile, name)
}

// ProfilesNamedBy are the names of the profiles that may declare a policy or binding of this name.
func ProfilesNamedBy(name string) []string {
	own, _ := strings.CutPrefix(name, v1alpha1.NamePrefix)
	var profiles []string
	for i := range own {
		if own[i] == '-' && IsNamed(own[:i], name) {
			profiles = append(profiles, own[:i])
		}
	}
	return profiles
}

// Named are the empty objects of all policies that the profile of this name may ever have declared,
// but for those whose names say what was in force before.
func Named(profile string) []baseline.Object {
	var policies []Policy
	for _, concern := range concerns {
		meta := metav1.ObjectMeta{Name: nameOf(profile, concern)}
		policies = append(policies, Policy{
			ValidatingAdmissionPolicy: &admissionregistrationv1.ValidatingAdmissionPolicy{ObjectMeta: meta},
			Binding:                   &admissionregistrationv1.ValidatingAdmissionPolicyBinding{ObjectMeta: meta},
		})
	}
	return Objects(policies)
}

// Objects are the objects of policies, in the order in which to apply them: a policy, and what puts
// it in force.
func Objects(policies []Policy) []baseline.Object {
	var objects []baseline.Object
	for _, p := range policies {
		objects = append(objects, p.ValidatingAdmissionPolicy, p.Binding)
	}
	return objects
}

// renderer is what the policies of one profile have in common.
type renderer struct {
	profile *v1alpha1.SecurityProfile
	spec    *v1alpha1.SecurityProfileSpec
	cluster Cluster
	where   governance
}

func (r *renderer) audits() bool {
	return r.profile.EffectiveEnforcement() == v1alpha1.EnforcementAudit
}

// draft is a policy before its metadata and defaults.
type draft struct {
	// concern ends its name.
	concern string
	// rules are the requests that it is about, in governed namespaces.
	rules []admissionregistrationv1.NamedRuleWithOperations
	// clusterScoped says that the requests have no namespace: the policy finds out by itself
	// whether the profile governs.
	clusterScoped bool
	// reads says that it reads something that is only where the profile may govern.
	reads       bool
	conditions  []admissionregistrationv1.MatchCondition
	variables   []admissionregistrationv1.Variable
	validations []admissionregistrationv1.Validation
	annotations []admissionregistrationv1.AuditAnnotation
	paramKind   *admissionregistrationv1.ParamKind
	paramRef    *admissionregistrationv1.ParamRef
	action      v1alpha1.AdmissionAction
	// where are further requirements on the labels of the namespaces in which it is in force.
	where []metav1.LabelSelectorRequirement
	// warns says that it warns and audits, whatever its action is.
	warns bool
}

// policy is a draft as the API server stores it.
func (r *renderer) policy(d draft) Policy {
	meta := metav1.ObjectMeta{
		Name: nameOf(r.profile.Name, d.concern),
		Labels: map[string]string{
			v1alpha1.ManagedByLabel: v1alpha1.ManagedBy,
			v1alpha1.ProfileLabel:   r.profile.Name,
		},
		OwnerReferences: baseline.OwnerReference(r.profile),
	}
	binding := admissionregistrationv1.ValidatingAdmissionPolicyBinding{
		ObjectMeta: *meta.DeepCopy(),
		Spec: admissionregistrationv1.ValidatingAdmissionPolicyBindingSpec{
			PolicyName:        meta.Name,
			ParamRef:          d.paramRef,
			ValidationActions: r.validationActions(&d),
		},
	}
	matches := &metav1.LabelSelector{}
	if d.reads {
		// Until the API server knows the kind that is read, it refuses what the policy matches,
		// whatever the binding says: after each of its starts for some seconds, and without the CRD
		// for ever.
		matches = r.namespaceSelector(true)
	}
	if !d.clusterScoped {
		selector := r.namespaceSelector(d.reads)
		selector.MatchExpressions = append(selector.MatchExpressions, d.where...)
		d.conditions = append([]admissionregistrationv1.MatchCondition{r.where.byName()}, d.conditions...)
		r.where.unlessOutranked(&d)
		binding.Spec.MatchResources = &admissionregistrationv1.MatchResources{
			NamespaceSelector: selector,
			ObjectSelector:    &metav1.LabelSelector{},
			MatchPolicy:       ptr.To(admissionregistrationv1.Equivalent),
		}
	}
	return Policy{
		ValidatingAdmissionPolicy: &admissionregistrationv1.ValidatingAdmissionPolicy{
			ObjectMeta: meta,
			Spec: admissionregistrationv1.ValidatingAdmissionPolicySpec{
				ParamKind: d.paramKind,
				MatchConstraints: &admissionregistrationv1.MatchResources{
					NamespaceSelector: matches,
					ObjectSelector:    &metav1.LabelSelector{},
					ResourceRules:     d.rules,
					MatchPolicy:       ptr.To(admissionregistrationv1.Equivalent),
				},
				MatchConditions:  d.conditions,
				Variables:        d.variables,
				Validations:      d.validations,
				AuditAnnotations: d.annotations,
				FailurePolicy:    ptr.To(admissionregistrationv1.Fail),
			},
		},
		Binding: &binding,
	}
}

// namespaceSelector is that of the binding. Where a policy reads something that is only there where
// the profile governs, others must not even match: they are left out by their labels. Not all can
// be: then the profile's own label stands for what it governs, at the price that another policy
// must tell what does not bear it yet.
func (r *renderer) namespaceSelector(reads bool) *metav1.LabelSelector {
	selector := r.spec.NamespaceSelector.AsLabelSelector()
	if !reads {
		return selector
	}
	others, ok := r.where.leftOut()
	if !ok {
		others = []metav1.LabelSelectorRequirement{
			requirement(v1alpha1.ProfileLabel, metav1.LabelSelectorOpIn, r.profile.Name),
		}
	}
	selector.MatchExpressions = append(selector.MatchExpressions, others...)
	return selector
}

// validationActions are those of a binding. A profile that only audits refuses nothing.
func (r *renderer) validationActions(d *draft) []admissionregistrationv1.ValidationAction {
	switch {
	case d.warns:
		return []admissionregistrationv1.ValidationAction{admissionregistrationv1.Warn, admissionregistrationv1.Audit}
	case r.audits() || d.action == v1alpha1.AdmissionActionWarn:
		return []admissionregistrationv1.ValidationAction{admissionregistrationv1.Warn}
	case d.action == v1alpha1.AdmissionActionAudit:
		return []admissionregistrationv1.ValidationAction{admissionregistrationv1.Audit}
	}
	return []admissionregistrationv1.ValidationAction{admissionregistrationv1.Deny}
}

// on are requests for resources of one API group, in its version v1.
func on(
	group string,
	operations []admissionregistrationv1.OperationType,
	resources ...string,
) admissionregistrationv1.NamedRuleWithOperations {
	return onVersion(group, "v1", operations, resources...)
}

func onVersion(
	group, version string, operations []admissionregistrationv1.OperationType, resources ...string,
) admissionregistrationv1.NamedRuleWithOperations {
	return admissionregistrationv1.NamedRuleWithOperations{RuleWithOperations: admissionregistrationv1.RuleWithOperations{
		Operations: operations,
		Rule: admissionregistrationv1.Rule{
			APIGroups: []string{group}, APIVersions: []string{version}, Resources: resources,
			Scope: ptr.To(admissionregistrationv1.AllScopes),
		},
	}}
}

var (
	create         = []admissionregistrationv1.OperationType{admissionregistrationv1.Create}
	createOrUpdate = []admissionregistrationv1.OperationType{
		admissionregistrationv1.Create,
		admissionregistrationv1.Update,
	}
	everyWrite = []admissionregistrationv1.OperationType{
		admissionregistrationv1.Create, admissionregistrationv1.Update, admissionregistrationv1.Delete,
	}
)

// refusal is a validation that answers Forbidden: kubectl says so, and controllers try again.
func refusal(expression, message, messageExpression string) admissionregistrationv1.Validation {
	return admissionregistrationv1.Validation{
		Expression:        expression,
		Message:           message,
		MessageExpression: messageExpression,
		Reason:            ptr.To(metav1.StatusReasonForbidden),
	}
}

func rulesOn(
	rules ...admissionregistrationv1.NamedRuleWithOperations,
) []admissionregistrationv1.NamedRuleWithOperations {
	return rules
}

func validations(v ...admissionregistrationv1.Validation) []admissionregistrationv1.Validation {
	return v
}

// specChanged matches what is created and what changes a spec.
func specChanged() []admissionregistrationv1.MatchCondition {
	return []admissionregistrationv1.MatchCondition{{
		Name:       "spec-is-new",
		Expression: `request.operation == "CREATE" || object.spec != oldObject.spec`,
	}}
}
