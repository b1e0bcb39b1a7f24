package baseline

import (
	"cmp"
	"slices"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
)

// ClusterKinds are the kinds of the objects that are kept for a profile and are in no namespace:
// the policies by which the API server itself guards baselines. They are Bulwark's alone. Objects
// are made in the order of these rows, and deleted in the reverse order.
var ClusterKinds = []Kind{
	judging(kind("validatingadmissionpolicies",
		admissionregistrationv1.SchemeGroupVersion.WithKind("ValidatingAdmissionPolicy"), exclusive,
		func(o *admissionregistrationv1.ValidatingAdmissionPolicy) map[string]any {
			return map[string]any{"spec": o.Spec}
		}), nil),
	puttingInForce(judging(kind("validatingadmissionpolicybindings",
		admissionregistrationv1.SchemeGroupVersion.WithKind("ValidatingAdmissionPolicyBinding"), exclusive,
		func(o *admissionregistrationv1.ValidatingAdmissionPolicyBinding) map[string]any {
			return map[string]any{"spec": o.Spec}
		}), func(o Object) {
		// Without the policy, nobody may write a binding that has a parameter.
		o.(*admissionregistrationv1.ValidatingAdmissionPolicyBinding).Spec.ParamRef = nil
	}), func(o Object) Object {
		policy := &admissionregistrationv1.ValidatingAdmissionPolicy{}
		policy.SetName(o.(*admissionregistrationv1.ValidatingAdmissionPolicyBinding).Spec.PolicyName)
		return policy
	}),
}

// judging is the kind with objects that judge requests. They are deleted only in the version that
// was read.
func judging(k Kind, loosen func(Object)) Kind {
	k.JudgesRequests, k.DeleteAsRead, k.Loosen = true, true, loosen
	return k
}

// puttingInForce is the kind with objects that put another one in force.
func puttingInForce(k Kind, other func(Object) Object) Kind {
	k.PutsInForce = other
	return k
}

// ByClusterKind compares two objects by the rows of ClusterKinds.
func ByClusterKind(a, b Object) int {
	row := func(o Object) int {
		return slices.IndexFunc(ClusterKinds, func(k Kind) bool { return k.Is(o) })
	}
	return cmp.Compare(row(a), row(b))
}
