package drift

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// A manager that made a map and lost all of its keys to others still owns the map. managedFields then
// say {} of it, as they do of an atomic value.
func TestManagerOfAMapIsNotThatOfItsKeys(t *testing.T) {
	tests := map[string]struct {
		newer, older string
		field        []string
		want         string
	}{
		"a label, and the map of labels": {
			newer: `{"f:metadata":{"f:labels":{}}}`,
			older: `{"f:metadata":{"f:labels":{"f:team":{}}}}`,
			field: []string{"metadata", "labels", "team"}, want: "older",
		},
		"an annotation, and the map of annotations": {
			newer: `{"f:metadata":{"f:annotations":{".":{}}}}`,
			older: `{"f:metadata":{"f:annotations":{"f:note":{}}}}`,
			field: []string{"metadata", "annotations", "note"}, want: "older",
		},
		"a quota's amount, and the map of amounts": {
			newer: `{"f:spec":{"f:hard":{}}}`,
			older: `{"f:spec":{"f:hard":{"f:requests.cpu":{}}}}`,
			field: []string{"spec", "hard", "requests.cpu"}, want: "older",
		},
		"an atomic struct is owned with all that is in it": {
			newer: `{"f:roleRef":{}}`, older: `{"f:subjects":{}}`,
			field: []string{"roleRef", "name"}, want: "newer",
		},
		"so is a label selector": {
			newer: `{"f:spec":{"f:podSelector":{}}}`, older: `{"f:spec":{"f:ingress":{}}}`,
			field: []string{"spec", "podSelector", "matchLabels", "app"}, want: "newer",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			entry := func(manager string, second int64, fields string) metav1.ManagedFieldsEntry {
				return metav1.ManagedFieldsEntry{
					Manager: manager, Time: &metav1.Time{Time: time.Unix(second, 0)}, FieldsV1: metav1.NewFieldsV1(fields),
				}
			}
			entries := []metav1.ManagedFieldsEntry{entry("older", 1, tt.older), entry("newer", 2, tt.newer)}
			if got := Attribute(entries, []Field{{Path: tt.field}}).Manager; got != tt.want {
				t.Errorf("want %q, got %q", tt.want, got)
			}
		})
	}
}
