package drift

import (
	"encoding/json"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
	"sigs.k8s.io/structured-merge-diff/v6/value"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/printable"
)

// Attribution is who brought a drift about, how and when, as far as an object's managedFields tell.
//
// It is a hint for the reader of a report. Clients name themselves, so that nothing may be decided
// by it.
type Attribution struct {
	Manager   string
	Operation metav1.ManagedFieldsOperationType
	// Time is when the manager last wrote the object: Kubernetes keeps no time for each field.
	Time *metav1.Time
}

// Attribute finds the field manager, other than Bulwark, that last set one of the fields. It finds
// nobody where managedFields do not tell: nobody owns a field that was removed, and to name whoever
// changed the object last would accuse by chance. Of an object that should not be there at all, any
// field counts: pass none.
func Attribute(managedFields []metav1.ManagedFieldsEntry, fields []Field) Attribution {
	others := Others(managedFields)
	slices.SortStableFunc(others, func(a, b metav1.ManagedFieldsEntry) int {
		return ptr.Deref(b.Time, metav1.Time{}).Compare(ptr.Deref(a.Time, metav1.Time{}).Time)
	})
	var moved []fieldpath.Path
	for _, f := range fields {
		moved = append(moved, f.moved()...)
	}
	for _, entry := range others {
		if len(fields) == 0 || ownsAny(entry, moved) {
			return Attribution{
				Manager:   printable.Name(entry.Manager), // The API server holds any bytes of a client that does not write JSON.
				Operation: entry.Operation,
				Time:      entry.Time,
			}
		}
	}
	return Attribution{}
}

// Others are the entries of managers other than Bulwark, of which the status is nobody's drift.
// They are never nil, so that an object that nobody else has touched is told from one of which that
// is not known.
func Others(managedFields []metav1.ManagedFieldsEntry) []metav1.ManagedFieldsEntry {
	others := []metav1.ManagedFieldsEntry{}
	for _, entry := range managedFields {
		if entry.Manager != v1alpha1.FieldManager && entry.Subresource == "" {
			others = append(others, entry)
		}
	}
	return others
}

// Concerning are those of the entries of others that own something of an exclusive object that is
// compared. Whoever put a finalizer or a label of its own on it brings no drift about.
func Concerning(managedFields []metav1.ManagedFieldsEntry) []metav1.ManagedFieldsEntry {
	return slices.DeleteFunc(Others(managedFields), func(entry metav1.ManagedFieldsEntry) bool {
		return entry.FieldsV1 != nil && !ownsAny(entry, compared)
	})
}

// compared are the paths of what is compared of exclusive objects.
var compared = []fieldpath.Path{
	fieldpath.MakePathOrDie("spec"),
	fieldpath.MakePathOrDie("rules"),
	fieldpath.MakePathOrDie("subjects"),
	fieldpath.MakePathOrDie("roleRef"),
	fieldpath.MakePathOrDie(
		"metadata",
		"labels",
		v1alpha1.ManagedByLabel,
	),
	fieldpath.MakePathOrDie("metadata", "labels", v1alpha1.ProfileLabel),
	fieldpath.MakePathOrDie("metadata", "ownerReferences"),
}

func ownsAny(entry metav1.ManagedFieldsEntry, moved []fieldpath.Path) bool {
	if entry.FieldsV1 == nil {
		return false
	}
	var owned fieldpath.Set
	if err := owned.FromJSON(entry.FieldsV1.GetRawReader()); err != nil {
		return false // Nothing can be read from it, so it attributes nothing.
	}
	return slices.ContainsFunc(moved, func(path fieldpath.Path) bool { return owns(&owned, path) })
}

// owns reports whether a set holds the path, something below it, or something above it that is
// owned as one.
func owns(owned *fieldpath.Set, path fieldpath.Path) bool {
	for i, element := range path {
		if at := path[:i+1]; owned.Members.Has(element) && (i == len(path)-1 || !granular(at)) {
			return true
		}
		owned = owned.WithPrefix(element)
	}
	return !owned.Empty()
}

// granularLists and granularMaps are owned item by item: to own one, even an empty one, says
// nothing of its items.
var (
	granularMaps  = []string{"metadata.labels", "metadata.annotations", "spec.hard"}
	granularLists = []string{finalizers, ownerReferences}
)

const (
	finalizers      = "metadata.finalizers"
	ownerReferences = "metadata.ownerReferences"
)

func granular(path fieldpath.Path) bool {
	var names []string
	for _, element := range path {
		if element.FieldName == nil {
			return false
		}
		names = append(names, *element.FieldName)
	}
	name := strings.Join(names, ".")
	return slices.Contains(granularMaps, name) || slices.Contains(granularLists, name)
}

// moved are the paths that somebody set to bring this drift about, as managedFields name them. Of a
// list that is owned item by item they are the items that should not be there.
func (f Field) moved() []fieldpath.Path {
	path := fieldpath.Path{}
	for _, name := range f.Path {
		path = append(path, fieldpath.PathElement{FieldName: &name})
	}
	switch strings.Join(f.Path, ".") {
	case finalizers:
		return itemsAdded(f, path, func(item string) fieldpath.PathElement {
			v := value.NewValueInterface(item)
			return fieldpath.PathElement{Value: &v}
		})
	case ownerReferences:
		return itemsAdded(f, path, func(item metav1.OwnerReference) fieldpath.PathElement {
			return fieldpath.PathElement{Key: fieldpath.KeyByFields("uid", string(item.UID))}
		})
	}
	return []fieldpath.Path{path}
}

// itemsAdded are the paths of the items that were found in a list and are not wanted there.
func itemsAdded[T any](f Field, path fieldpath.Path, element func(T) fieldpath.PathElement) []fieldpath.Path {
	var want, got []T
	for _, list := range []struct {
		text  string
		items *[]T
	}{{f.Want, &want}, {f.Got, &got}} {
		if list.text != "" && json.Unmarshal([]byte(list.text), list.items) != nil {
			return []fieldpath.Path{path}
		}
	}
	var added []fieldpath.Path
	for _, item := range got {
		e := element(item)
		if !slices.ContainsFunc(want, func(w T) bool { return equality.Semantic.DeepEqual(w, item) }) {
			added = append(added, append(slices.Clone(path), e))
		}
	}
	return added
}
