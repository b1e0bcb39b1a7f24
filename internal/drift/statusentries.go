package drift

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
)

// StatusEntriesOf are the entries of a map in an object's status that Bulwark was the last to set.
// Whoever calls himself Bulwark seems to have been it, so that nothing may be done about an entry
// but what is right whoever set it.
func StatusEntriesOf(managedFields []metav1.ManagedFieldsEntry, name string) []string {
	var entries []string
	for _, entry := range managedFields {
		if entry.Manager != v1alpha1.FieldManager || entry.Subresource != "status" || entry.FieldsV1 == nil {
			continue
		}
		var owned fieldpath.Set
		if err := owned.FromJSON(entry.FieldsV1.GetRawReader()); err != nil {
			continue // Nothing can be read from it, so it says nothing.
		}
		within := &owned
		for _, field := range []string{"status", name} {
			within = within.WithPrefix(fieldpath.PathElement{FieldName: &field})
		}
		for element := range within.Members.All() {
			if element.FieldName != nil {
				entries = append(entries, *element.FieldName)
			}
		}
	}
	return entries
}
