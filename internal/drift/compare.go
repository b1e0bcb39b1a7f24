// Package drift knows how live objects differ from the desired ones (Compare), which client changed
// which field (Attribute), and what has become of a difference (Outcome). The objects are those of
// one namespace, or the admission policies of one profile.
//
// It is pure: it may import internal/baseline, and no client or clock. It must never decide whether
// a difference is corrected.
package drift

import (
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/baseline"
)

// Drift is one object that differs from the baseline.
type Drift struct {
	// Object names it.
	Object v1alpha1.ObjectReference
	// Change says how it differs.
	Change v1alpha1.DriftChange
	// Fields are the fields that differ, for the change Modified.
	Fields []Field
	// Foreign is set on an object that Bulwark did not make.
	Foreign bool
	// Want is the object as declared; nil if it should not exist.
	Want baseline.Object
	// Got is the object as found; nil if it does not exist.
	Got baseline.Object
}

// Replaces reports whether the drift can only be corrected by deleting the object and making it
// anew.
func (d *Drift) Replaces() bool {
	if d.Change != v1alpha1.DriftChangeModified {
		return false
	}
	immutable := append([]string{deletionTimestamp}, baseline.KindOf(d.Want).Immutable...)
	return slices.ContainsFunc(d.Fields, func(f Field) bool {
		return slices.ContainsFunc(immutable, f.within) || d.mayHide(f, immutable)
	})
}

// Terminates reports whether somebody has deleted the object and a finalizer still holds it.
func (d *Drift) Terminates() bool {
	return slices.ContainsFunc(d.Fields, func(f Field) bool { return f.within(deletionTimestamp) })
}

// deletionTimestamp is the path of what nobody can take back.
const deletionTimestamp = "metadata.deletionTimestamp"

// Compare lists what differs between the desired objects of one namespace and those found in it, in
// the order of the desired ones and then of the found. Ours tells whether Bulwark made an object.
//
// Shared objects are compared by the fields that are desired. Of all others what they enforce is
// compared whole, so that a rule that was appended is drift too, and of their metadata what only
// Bulwark may say. Other metadata is the platform's.
func Compare(desired, found []baseline.Object, ours func(baseline.Object) bool) []Drift {
	remaining := map[v1alpha1.ObjectReference]baseline.Object{}
	for _, o := range found {
		remaining[baseline.Reference(o)] = o
	}
	var drifts []Drift
	for _, want := range desired {
		ref := baseline.Reference(want)
		got, exists := remaining[ref]
		delete(remaining, ref)
		if !exists && baseline.BelongsToNamespace(want) {
			// Kubernetes makes it any moment; whether it has yet, our fields are not set.
			fields := Differences(want, baseline.KindOf(want).New())
			drifts = append(drifts, Drift{Object: ref, Change: v1alpha1.DriftChangeModified, Fields: fields, Want: want})
			continue
		}
		if !exists {
			drifts = append(drifts, Drift{Object: ref, Change: v1alpha1.DriftChangeMissing, Want: want})
			continue
		}
		foreign := !baseline.BelongsToNamespace(want) && !ours(got)
		if fields := Differences(want, got); len(fields) > 0 || foreign {
			drifts = append(drifts, Drift{
				Object: ref, Change: v1alpha1.DriftChangeModified, Fields: fields, Foreign: foreign, Want: want, Got: got,
			})
		}
	}
	for _, got := range found {
		ref := baseline.Reference(got)
		if _, unexpected := remaining[ref]; unexpected {
			drifts = append(drifts, Drift{Object: ref, Change: v1alpha1.DriftChangeUnexpected, Got: got})
		}
	}
	return drifts
}

// Ours reports whether Bulwark made an object: it bears the label that says so, or is owned by a
// SecurityProfile. Either alone will do, since whoever tampers with the one may have forgotten the
// other.
func Ours(o baseline.Object) bool {
	if o.GetLabels()[v1alpha1.ManagedByLabel] == v1alpha1.ManagedBy {
		return true
	}
	return slices.ContainsFunc(o.GetOwnerReferences(), OwnedByProfile)
}

// OwnedByProfile reports whether an owner is a SecurityProfile.
func OwnedByProfile(owner metav1.OwnerReference) bool {
	gv, err := schema.ParseGroupVersion(owner.APIVersion)
	return err == nil && gv.Group == v1alpha1.GroupVersion.Group && owner.Kind == "SecurityProfile"
}

// Differences are the fields in which an object is not as it is wanted, by the rules of Compare.
func Differences(want, got baseline.Object) []Field {
	kind := baseline.KindOf(want)
	var fields []Field
	wantContent, gotContent := kind.Content(want), kind.Content(got)
	for _, root := range sortedKeys(wantContent) {
		if isLeftOut(got, gotContent[root]) {
			fields = append(fields, fieldLeftOut(root, wantContent[root], got))
			continue
		}
		fields = append(fields, compareValues([]string{root}, wantContent[root], gotContent[root])...)
	}
	return append(fields, compareMetadata(want, got)...)
}

// compareMetadata compares the labels that are desired, who owns an object that Bulwark makes, and
// whether it is about to go. Other labels, annotations and finalizers say nothing of what the
// object enforces.
func compareMetadata(want, got baseline.Object) []Field {
	labels := map[string]string{}
	for key, value := range got.GetLabels() {
		if _, desired := want.GetLabels()[key]; desired {
			labels[key] = value
		}
	}
	fields := compareValues([]string{"metadata", "labels"}, want.GetLabels(), labels)
	if baseline.BelongsToNamespace(want) { // Whoever owns or deletes it, it is not us.
		return fields
	}
	return slices.Concat(fields,
		compareValues([]string{"metadata", "ownerReferences"}, want.GetOwnerReferences(), comparedOwners(got)),
		compareValues([]string{"metadata", "deletionTimestamp"}, want.GetDeletionTimestamp(), got.GetDeletionTimestamp()))
}

// comparedOwners are all owners of an exclusive object, since the garbage collector deletes what
// has none but one that is gone, and of a shared one those that are profiles.
func comparedOwners(got baseline.Object) []metav1.OwnerReference {
	if !baseline.KindOf(got).Shared {
		return got.GetOwnerReferences()
	}
	return slices.DeleteFunc(slices.Clone(got.GetOwnerReferences()), func(owner metav1.OwnerReference) bool {
		return !OwnedByProfile(owner)
	})
}
