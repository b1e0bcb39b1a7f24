package baseline

import (
	"cmp"
	"slices"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
)

// AdmissionKinds are the kinds of the policies by which the API server itself guards baselines.
// They are in no namespace and are Bulwark's alone. Objects are made in the order of these rows,
// and deleted in the reverse order.
var AdmissionKinds = []Kind{
	deletedAsRead(kind("validatingadmissionpolicies",
		admissionregistrationv1.SchemeGroupVersion.WithKind("ValidatingAdmissionPolicy"), exclusive,
		func(o *admissionregistrationv1.ValidatingAdmissionPolicy) map[string]any {
			return map[string]any{"spec": o.Spec}
		}), nil),
	deletedAsRead(kind("validatingadmissionpolicybindings",
		admissionregistrationv1.SchemeGroupVersion.WithKind("ValidatingAdmissionPolicyBinding"), exclusive,
		func(o *admissionregistrationv1.ValidatingAdmissionPolicyBinding) map[string]any {
			return map[string]any{"spec": o.Spec}
		}), func(o Object) {
		// Without the policy, nobody may write a binding that has a parameter.
		o.(*admissionregistrationv1.ValidatingAdmissionPolicyBinding).Spec.ParamRef = nil
	}),
}

// deletedAsRead is the kind with objects that are deleted only in the version that was read.
func deletedAsRead(k Kind, loosen func(Object)) Kind {
	k.DeleteAsRead, k.Loosen = true, loosen
	return k
}

// ByAdmissionKind compares two objects by the rows of AdmissionKinds.
func ByAdmissionKind(a, b Object) int {
	row := func(o Object) int {
		return slices.IndexFunc(AdmissionKinds, func(k Kind) bool { return k.Is(o) })
	}
	return cmp.Compare(row(a), row(b))
}
