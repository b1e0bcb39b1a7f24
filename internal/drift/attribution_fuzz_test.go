package drift

import (
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/printable"
)

// FuzzAttribute attributes a field by what two entries of managedFields hold, beside that of
// Bulwark itself.
func FuzzAttribute(f *testing.F) {
	f.Add(
		[]byte(`{"f:spec":{"f:policyTypes":{}}}`),
		[]byte(`{"f:metadata":{"f:labels":{".":{},"f:a.b/c":{}}}}`),
		"kubectl-edit",
		"",
		"spec.policyTypes",
		int64(5),
	)
	f.Add(
		[]byte(`{"f:spec":{"f:hard":{".":{}}}}`),
		[]byte(`{"f:spec":{"f:hard":{"f:pods":{}}}}`),
		"helm",
		"status",
		"spec.hard.pods",
		int64(-5),
	)
	f.Add(
		[]byte(`{"f:metadata":{"f:ownerReferences":{"k:{\"uid\":\"x\"}":{".":{}},"v:1":{},"i:0":{}}}}`),
		[]byte(`{}`),
		"\xff",
		"",
		"metadata.ownerReferences",
		int64(0),
	)
	f.Add([]byte(`[`), []byte(strings.Repeat(`{"f:a":`, 200)), "bulwark", "", "", int64(1))
	f.Fuzz(func(t *testing.T, first, second []byte, manager, subresource, path string, age int64) {
		at := metav1.NewTime(time.Unix(1_700_000_000, 0))
		earlier := metav1.NewTime(at.Add(-time.Duration(age)))
		managedFields := []metav1.ManagedFieldsEntry{
			{Manager: v1alpha1.FieldManager, Time: &at, FieldsV1: fieldsOf(first)},
			{Manager: manager, Subresource: subresource, Time: &earlier, FieldsV1: fieldsOf(first)},
			{Manager: "other", FieldsV1: fieldsOf(second)},
			{Manager: "nothing", Time: &at},
		}
		written := []string{"", "other", "nothing"} // By whom, as far as managedFields tell.
		if subresource == "" && manager != v1alpha1.FieldManager {
			written = append(written, printable.Name(manager))
		}
		for _, fields := range [][]Field{nil, {{Path: strings.Split(path, ".")}}} {
			got := Attribute(managedFields, fields).Manager
			if !slices.Contains(written, got) || !utf8.ValidString(got) {
				t.Errorf("%q is accused of %v; of those who wrote the object there are %q", got, fields, written)
			}
			if fields != nil && got == "nothing" && manager != "nothing" {
				t.Errorf("a manager that owns nothing is accused of %v", fields)
			}
			if again := Attribute(managedFields, fields).Manager; again != got {
				t.Errorf("first %q, then %q", got, again)
			}
		}
	})
}

func fieldsOf(data []byte) *metav1.FieldsV1 {
	fields := &metav1.FieldsV1{}
	fields.SetRawBytes(data)
	return fields
}
