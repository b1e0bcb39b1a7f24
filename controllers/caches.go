package controllers

import (
	"cmp"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/selection"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/internal/clusteraccess"
	"github.com/bulwark-dev/bulwark/internal/counting"
	"github.com/bulwark-dev/bulwark/internal/drift"
	"github.com/bulwark-dev/bulwark/internal/takeover"
)

// CacheOptions make the cache hold what bears our labels, the namespaces, the profiles and the
// reports, each without what is never compared, and sharing what is the same in many: memory grows
// with the baseline, not with what tenants keep. What bears our labels is held whole only if a
// profile desires it by name and it is no larger than that may be; the informers tell of the rest.
func CacheOptions(
	config *rest.Config, scheme *runtime.Scheme, live client.Reader, reports *ReportMemory,
) (cache.Options, *clusteraccess.Informers, error) {
	labelled, err := labels.NewRequirement(v1alpha1.ProfileLabel, selection.Exists, nil)
	if err != nil {
		return cache.Options{}, nil, fmt.Errorf("selecting by label: %w", err)
	}
	selector := labels.NewSelector().Add(*labelled)
	informers, err := clusteraccess.NewInformers(config, scheme, live, selector)
	if err != nil {
		return cache.Options{}, nil, err
	}
	shared := newSharing()
	trimLabels := func(ns *corev1.Namespace) { ns.Labels = informers.Labels.Trim(ns.Labels) }
	byObject := map[client.Object]cache.ByObject{
		&corev1.Namespace{}:          {Transform: then(stripNamespace, trimLabels)},
		&v1alpha1.NamespacePosture{}: {Transform: then(reports.strip, shared.shareReport)},
		&v1alpha1.SecurityProfile{}:  {Transform: then(strip, informers.Note)},
	}
	for _, kind := range slices.Concat(baseline.Kinds[1:], baseline.AdmissionKinds) {
		transform := stripExclusive
		if kind.Shared {
			transform = stripShared
		}
		byObject[kind.New()] = cache.ByObject{Label: selector, Transform: then(transform, shared.share)}
	}
	return cache.Options{
		ByObject:                    byObject,
		DefaultTransform:            strip,
		ReaderFailOnMissingInformer: true,
		NewInformer:                 informers.New,
	}, informers, nil
}

var _, _ toolscache.TransformFunc = strip, stripExclusive

// then transforms an object in two steps. What is not an object of that kind, such as the word that
// one is gone, skips the second.
func then[O any](first toolscache.TransformFunc, second func(O)) toolscache.TransformFunc {
	return func(in any) (any, error) {
		out, err := first(in)
		if o, ok := out.(O); ok && err == nil {
			second(o)
		}
		return out, err
	}
}

// strip drops who manages which field.
func strip(in any) (any, error) {
	if o, ok := in.(metav1.Object); ok {
		o.SetManagedFields(nil)
	}
	return in, nil
}

// stripExclusive drops what is never compared of an object that is Bulwark's alone: a quota's usage
// but for whether it is counted and above what the quota grants, others' labels and annotations,
// and which field Bulwark manages. What others manage of the rest is there only while there is
// drift, and then saves the read that would attribute it.
func stripExclusive(in any) (any, error) {
	if o, ok := in.(baseline.Object); ok {
		o.SetManagedFields(boundedManagers(drift.Concerning(o.GetManagedFields())))
		stripMetadata(o)
	}
	if quota, ok := in.(*corev1.ResourceQuota); ok {
		counting.Digest(quota)
	}
	return in, nil
}

// stripShared keeps of a ServiceAccount whether its token is mounted, and what metadata is
// compared.
func stripShared(in any) (any, error) {
	if account, ok := in.(*corev1.ServiceAccount); ok {
		account.SetManagedFields(nil)
		account.Secrets, account.ImagePullSecrets = nil, nil
		stripMetadata(account)
	}
	return in, nil
}

// Bounds on metadata. What is beyond them still differs from what is desired, and is told from
// nothing at all.
const (
	maxOwners        = 32
	maxFinalizers    = 8
	maxManagersBytes = 4 << 10
	maxReportMeta    = 16 << 10
)

// stripMetadata keeps of the labels ours, and of owners and finalizers no more than a bound.
func stripMetadata(o baseline.Object) {
	bytes := baseline.LeftOut(o)
	o.SetAnnotations(nil)
	baseline.LeaveOut(o, bytes)
	o.SetLabels(ourLabels(o.GetLabels()))
	boundLists(o)
}

// ourLabels is a new map: one from which a million others are deleted stays as large as it was.
func ourLabels(all map[string]string) map[string]string {
	ours := map[string]string{}
	for _, key := range []string{v1alpha1.ManagedByLabel, v1alpha1.ProfileLabel} {
		if value, labelled := all[key]; labelled {
			ours[key] = value
		}
	}
	return ours
}

// boundLists copies what it cuts, since the rest would be held otherwise. Profiles are the last
// owners that it cuts: behind others, ours would seem to be missing however often it is written.
func boundLists(o metav1.Object) {
	if owners := slices.Clone(o.GetOwnerReferences()); len(owners) > maxOwners {
		slices.SortStableFunc(owners, func(a, b metav1.OwnerReference) int {
			return cmp.Compare(othersLast(a), othersLast(b))
		})
		o.SetOwnerReferences(slices.Clone(owners[:maxOwners]))
	}
	if finalizers := o.GetFinalizers(); len(finalizers) > maxFinalizers {
		o.SetFinalizers(slices.Clone(finalizers[:maxFinalizers]))
	}
}

func othersLast(owner metav1.OwnerReference) int {
	if drift.OwnedByProfile(owner) {
		return 0
	}
	return 1
}

// boundedManagers are nil, which is not known, where they would be large: the read that attributes
// a drift finds them.
func boundedManagers(entries []metav1.ManagedFieldsEntry) []metav1.ManagedFieldsEntry {
	bytes := 0
	for i := range entries {
		bytes += entries[i].Size()
	}
	if bytes > maxManagersBytes {
		return nil
	}
	return entries
}

// stripNamespace keeps of a namespace its labels, what it remembers for Bulwark, and whether it is
// being deleted.
func stripNamespace(in any) (any, error) {
	if ns, ok := in.(*corev1.Namespace); ok {
		ns.SetManagedFields(nil)
		ns.SetAnnotations(takeover.Annotations(takeover.Remembered(ns.Annotations)))
		ns.Spec, ns.Status = corev1.NamespaceSpec{}, corev1.NamespaceStatus{}
		boundLists(ns)
	}
	return in, nil
}

// stripReport keeps of a report what Bulwark could have written, and what little others put beside
// it: what is larger is not what it wrote, and is written anew.
func stripReport(report *v1alpha1.NamespacePosture) {
	report.SetManagedFields(nil)
	boundLists(report)
	if report.ObjectMeta.Size() > maxReportMeta {
		report.Labels, report.Annotations = ourLabels(report.Labels), nil
	}
	if report.Size() > maxReportBytes+maxReportMeta {
		report.Objects, report.Blocked, report.InPlace, report.Drift, report.Findings = nil, nil, nil, nil, nil
	}
}
