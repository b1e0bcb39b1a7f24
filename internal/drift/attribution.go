package drift

import (
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
)

// Manager is the field manager, other than Bulwark, that last set one of the fields, by an object's managedFields. It is empty
// where they do not tell: nobody owns a field that was removed, and to name whoever changed the object last would accuse by
// chance. Of an object that should not be there at all, any field counts: pass none.
//
// It is a hint for the reader of a report. Clients name themselves, so that nothing may be decided by it.
func Manager(managedFields []metav1.ManagedFieldsEntry, fields []Field) string {
	others := Others(managedFields)
	slices.SortStableFunc(others, func(a, b metav1.ManagedFieldsEntry) int {
		return ptr.Deref(b.Time, metav1.Time{}).Compare(ptr.Deref(a.Time, metav1.Time{}).Time)
	})
	for _, entry := range others {
		if len(fields) == 0 || ownsAny(entry, fields) {
			return strings.ToValidUTF8(entry.Manager, "�") // The API server holds any bytes of a client that does not write JSON.
		}
	}
	return ""
}

// Others are the entries of managers other than Bulwark, of which the status is nobody's drift. They are never nil, so that an
// object that nobody else has touched is told from one of which that is not known.
func Others(managedFields []metav1.ManagedFieldsEntry) []metav1.ManagedFieldsEntry {
	others := []metav1.ManagedFieldsEntry{}
	for _, entry := range managedFields {
		if entry.Manager != v1alpha1.FieldManager && entry.Subresource == "" {
			others = append(others, entry)
		}
	}
	return others
}

func ownsAny(entry metav1.ManagedFieldsEntry, fields []Field) bool {
	if entry.FieldsV1 == nil {
		return false
	}
	var owned fieldpath.Set
	if err := owned.FromJSON(entry.FieldsV1.GetRawReader()); err != nil {
		return false // Nothing can be read from it, so it attributes nothing.
	}
	owns := false
	owned.Leaves().Iterate(func(path fieldpath.Path) {
		owns = owns || slices.ContainsFunc(fields, func(f Field) bool { return overlaps(path, f.Path) })
	})
	return owns
}

// granularMaps are the maps whose keys are owned one by one: to own such a map, even an empty one, says nothing of its keys.
var granularMaps = []string{"metadata.labels", "metadata.annotations", "spec.hard"}

// overlaps reports whether one of two paths lies at or below the other.
func overlaps(owned fieldpath.Path, field []string) bool {
	for i := range min(len(owned), len(field)) {
		if owned[i].FieldName == nil || *owned[i].FieldName != field[i] {
			return false
		}
	}
	return len(owned) >= len(field) || !slices.Contains(granularMaps, strings.Join(field[:len(owned)], "."))
}
