package boundedcache

import (
	"cmp"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	toolscache "k8s.io/client-go/tools/cache"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/internal/counting"
	"github.com/bulwark-dev/bulwark/internal/drift"
	"github.com/bulwark-dev/bulwark/internal/posture"
	"github.com/bulwark-dev/bulwark/internal/reportmemory"
	"github.com/bulwark-dev/bulwark/internal/takeover"
)

// Bounds on metadata. A list that exceeds its bound is cut: it still differs from the desired one,
// and no cut item is reported.
const (
	maxOwners         = 32
	maxFinalizers     = 8
	maxManagersBytes  = 4 << 10
	maxReportMetadata = 16 << 10
)

var _, _, _ toolscache.TransformFunc = StripExclusive, stripShared, stripNamespace

// StripExclusive drops what Bulwark does not compare of an object that it manages alone:
//  1. a quota's usage, except whether it is counted and by how much it is exceeded;
//  2. labels and annotations of others;
//  3. Bulwark's own managed fields. Those of others exist only while there is drift, and save the
//     read that attributes it.
func StripExclusive(in any) (any, error) {
	if o, ok := in.(baseline.Object); ok {
		o.SetManagedFields(boundManagers(drift.Concerning(o.GetManagedFields())))
		StripMetadata(o)
	}
	if quota, ok := in.(*corev1.ResourceQuota); ok {
		counting.Digest(quota)
	}
	return in, nil
}

// stripShared keeps whether a ServiceAccount mounts its token, and the metadata that is compared.
func stripShared(in any) (any, error) {
	if account, ok := in.(*corev1.ServiceAccount); ok {
		account.SetManagedFields(nil)
		account.Secrets, account.ImagePullSecrets = nil, nil
		StripMetadata(account)
	}
	return in, nil
}

// StripMetadata keeps Bulwark's own labels, and a bounded number of owners and finalizers. How much
// content the object lacks stays known.
func StripMetadata(o baseline.Object) {
	bytes := baseline.LeftOut(o)
	o.SetAnnotations(nil)
	baseline.LeaveOut(o, bytes)
	o.SetLabels(bulwarkLabels(o.GetLabels()))
	boundLists(o)
}

// bulwarkLabels returns a new map: a map from which a million keys are deleted stays as large as it
// was.
func bulwarkLabels(all map[string]string) map[string]string {
	labels := map[string]string{}
	for _, key := range []string{v1alpha1.ManagedByLabel, v1alpha1.ProfileLabel} {
		if value, labelled := all[key]; labelled {
			labels[key] = value
		}
	}
	return labels
}

// boundLists cuts the owners and finalizers of an object. It copies what it keeps, so that the rest
// can be collected, and cuts profiles last: an owner that is missing would be written again and
// again.
func boundLists(o metav1.Object) {
	if owners := slices.Clone(o.GetOwnerReferences()); len(owners) > maxOwners {
		slices.SortStableFunc(owners, func(a, b metav1.OwnerReference) int {
			return cmp.Compare(profilesFirst(a), profilesFirst(b))
		})
		o.SetOwnerReferences(slices.Clone(owners[:maxOwners]))
	}
	if finalizers := o.GetFinalizers(); len(finalizers) > maxFinalizers {
		o.SetFinalizers(slices.Clone(finalizers[:maxFinalizers]))
	}
}

// profilesFirst is the rank of an owner: profiles sort before all others.
func profilesFirst(owner metav1.OwnerReference) int {
	if drift.OwnedByProfile(owner) {
		return 0
	}
	return 1
}

// boundManagers returns nil, which means unknown, if the managed fields are large: then the read
// that attributes a drift finds them.
func boundManagers(entries []metav1.ManagedFieldsEntry) []metav1.ManagedFieldsEntry {
	bytes := 0
	for i := range entries {
		bytes += entries[i].Size()
	}
	if bytes > maxManagersBytes {
		return nil
	}
	return entries
}

// stripNamespace keeps the labels of a namespace, the values that Bulwark took over and remembers
// in annotations, and whether the namespace is being deleted.
func stripNamespace(in any) (any, error) {
	if ns, ok := in.(*corev1.Namespace); ok {
		ns.SetManagedFields(nil)
		ns.SetAnnotations(takeover.Annotations(takeover.Remembered(ns.Annotations)))
		ns.Spec, ns.Status = corev1.NamespaceSpec{}, corev1.NamespaceStatus{}
		boundLists(ns)
	}
	return in, nil
}

// stripReport keeps what the memory believes of a report, no larger than Bulwark writes one.
func stripReport(reports *reportmemory.Memory) toolscache.TransformFunc {
	return func(in any) (any, error) {
		report, ok := in.(*v1alpha1.NamespacePosture)
		if !ok {
			return in, nil
		}
		boundReport(report)
		return reports.Believe(report), nil
	}
}

// boundReport drops the lists of a report that is too large for Bulwark to have written it, and the
// metadata that others put on it beyond a bound. The next pass writes such a report again.
func boundReport(report *v1alpha1.NamespacePosture) {
	report.SetManagedFields(nil)
	boundLists(report)
	if report.ObjectMeta.Size() > maxReportMetadata {
		report.Labels, report.Annotations = bulwarkLabels(report.Labels), nil
	}
	if posture.Size(report) > posture.MaxReportBytes+maxReportMetadata {
		report.Objects, report.Blocked, report.Drift, report.Findings = nil, nil, nil, nil
		report.OperatorState.InPlace = nil
	}
}
