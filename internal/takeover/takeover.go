// Package takeover knows which Pod Security labels a namespace bore before Bulwark set its own, and
// how the namespace itself remembers that until they are given back. It imports no client, context,
// clock or logger, and must never write the namespace.
//
// The memory is an annotation of the namespace, written by the very request that sets the labels:
// no crash comes between the two, and nobody can forge it who may not write the namespace.
package takeover

import (
	"encoding/json"
	"maps"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	podsecurity "k8s.io/pod-security-admission/api"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
)

// Replaced are the labels of a namespace that the desired ones would give another value.
func Replaced(desired, borne map[string]string) map[string]string {
	replaced := map[string]string{}
	for key, want := range desired {
		if value, set := borne[key]; set && value != want && valid(key, value) {
			replaced[key] = value
		}
	}
	return replaced
}

// Remembered are the labels that the annotations of a namespace hold as those of before. A label
// that is none of Pod Security, or has no value that one may have, was written there by somebody,
// and does not count.
func Remembered(annotations map[string]string) map[string]string {
	before := map[string]string{}
	if json.Unmarshal([]byte(annotations[v1alpha1.PodSecurityBeforeAnnotation]), &before) != nil {
		return nil
	}
	maps.DeleteFunc(before, func(key, value string) bool { return !valid(key, value) })
	return before
}

// Annotations are those by which a namespace remembers labels; none if there are none to remember.
func Annotations(before map[string]string) map[string]string {
	if len(before) == 0 {
		return nil
	}
	text, err := json.Marshal(before)
	if err != nil { // A map of strings never fails to marshal.
		return nil
	}
	return map[string]string{v1alpha1.PodSecurityBeforeAnnotation: string(text)}
}

// Within are those of some labels of which the key is among the desired ones.
func Within(before, desired map[string]string) map[string]string {
	within := maps.Clone(before)
	maps.DeleteFunc(within, func(key, _ string) bool { _, wanted := desired[key]; return !wanted })
	return within
}

// Beyond are those of some labels of which the key is not among the others: nobody sets them any
// more.
func Beyond(before, others map[string]string) map[string]string {
	beyond := maps.Clone(before)
	maps.DeleteFunc(beyond, func(key, _ string) bool { _, kept := others[key]; return kept })
	return beyond
}

// OfOurs are those of some labels that Bulwark itself has given another value, as managedFields
// tell: one that it never set replaced none.
func OfOurs(before map[string]string, managedFields []metav1.ManagedFieldsEntry) map[string]string {
	ours := maps.Clone(before)
	maps.DeleteFunc(ours, func(key, _ string) bool {
		return !SetByBulwark(managedFields, key)
	})
	return ours
}

// SetByBulwark reports whether Bulwark itself has set a label, as managedFields tell. Whoever calls
// himself Bulwark seems to have been it.
func SetByBulwark(managedFields []metav1.ManagedFieldsEntry, key string) bool {
	return slices.ContainsFunc(managedFields, func(entry metav1.ManagedFieldsEntry) bool { return setsLabel(entry, key) })
}

func setsLabel(entry metav1.ManagedFieldsEntry, key string) bool {
	if entry.Manager != v1alpha1.FieldManager || entry.Subresource != "" || entry.FieldsV1 == nil {
		return false
	}
	var owned fieldpath.Set
	if err := owned.FromJSON(entry.FieldsV1.GetRawReader()); err != nil {
		return false // Nothing can be read from it, so it says nothing.
	}
	return owned.Has(fieldpath.MakePathOrDie("metadata", "labels", key))
}

// valid reports whether a label is one of Pod Security, with a value that the API server takes.
func valid(key, value string) bool {
	var err error
	switch key {
	case podsecurity.EnforceLevelLabel, podsecurity.AuditLevelLabel, podsecurity.WarnLevelLabel:
		_, err = podsecurity.ParseLevel(value)
	case podsecurity.EnforceVersionLabel, podsecurity.AuditVersionLabel, podsecurity.WarnVersionLabel:
		_, err = podsecurity.ParseVersion(value)
	default:
		return false
	}
	return err == nil
}
