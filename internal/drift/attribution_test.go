package drift

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// managed is an entry of managedFields, set so many minutes after some moment.
func managed(manager string, minute int, fields string) metav1.ManagedFieldsEntry {
	at := metav1.NewTime(time.Unix(1_700_000_000, 0).Add(time.Duration(minute) * time.Minute))
	return metav1.ManagedFieldsEntry{
		Manager: manager, Operation: metav1.ManagedFieldsOperationUpdate, Time: &at,
		FieldsType: "FieldsV1", FieldsV1: metav1.NewFieldsV1(fields),
	}
}

func TestAttribute(t *testing.T) {
	const (
		ownsTypes    = `{"f:spec":{"f:policyTypes":{}}}`
		ownsIngress  = `{"f:spec":{"f:ingress":{}}}`
		ownsSelector = `{"f:spec":{"f:podSelector":{}}}`
		ownsLabels   = `{"f:metadata":{"f:labels":{".":{},"f:team":{},"f:example.com/x":{}}}}`
		ownsKeep     = `{"f:metadata":{"f:finalizers":{".":{},"v:\"example.com/keep\"":{}}}}`
		ownsOwner    = `{"f:metadata":{"f:ownerReferences":{".":{},"k:{\"uid\":\"u1\"}":{}}}}`
		ownsHard     = `{"f:spec":{"f:hard":{".":{},"f:requests.cpu":{}}}}`
	)
	field := func(path ...string) []Field { return []Field{{Path: path}} }
	subresource := func(entry metav1.ManagedFieldsEntry) metav1.ManagedFieldsEntry {
		entry.Subresource = "status"
		return entry
	}
	timeless := func(entry metav1.ManagedFieldsEntry) metav1.ManagedFieldsEntry {
		entry.Time = nil
		return entry
	}
	wordless := func(entry metav1.ManagedFieldsEntry) metav1.ManagedFieldsEntry {
		entry.FieldsV1 = nil
		return entry
	}
	for sentence, tc := range map[string]struct {
		entries []metav1.ManagedFieldsEntry
		fields  []Field
		want    string
	}{
		"no entries name nobody": {fields: field("spec", "policyTypes")},
		"the owner of the field is named": {
			entries: []metav1.ManagedFieldsEntry{managed("kubectl-edit", 1, ownsTypes)},
			fields:  field("spec", "policyTypes"), want: "kubectl-edit",
		},
		"the owner of the field is named rather than the newest": {
			entries: []metav1.ManagedFieldsEntry{managed("helm", 9, ownsIngress), managed("kubectl-edit", 1, ownsTypes)},
			fields:  field("spec", "policyTypes"), want: "kubectl-edit",
		},
		"of two owners the newer is named": {
			entries: []metav1.ManagedFieldsEntry{managed("first", 1, ownsTypes), managed("second", 2, ownsTypes)},
			fields:  field("spec", "policyTypes"), want: "second",
		},
		"of two owners the newer is named, in whatever order": {
			entries: []metav1.ManagedFieldsEntry{managed("second", 2, ownsTypes), managed("first", 1, ownsTypes)},
			fields:  field("spec", "policyTypes"), want: "second",
		},
		"any one of the fields counts": {
			entries: []metav1.ManagedFieldsEntry{managed("kubectl-edit", 1, ownsIngress)},
			fields:  []Field{{Path: []string{"spec", "policyTypes"}}, {Path: []string{"spec", "ingress"}}}, want: "kubectl-edit",
		},
		"Bulwark itself is never named": {
			entries: []metav1.ManagedFieldsEntry{managed("bulwark", 9, ownsTypes)},
			fields:  field("spec", "policyTypes"),
		},
		"Bulwark does not stand before others": {
			entries: []metav1.ManagedFieldsEntry{managed("bulwark", 9, ownsTypes), managed("helm", 1, ownsTypes)},
			fields:  field("spec", "policyTypes"), want: "helm",
		},
		"a writer of a subresource is never named": {
			entries: []metav1.ManagedFieldsEntry{subresource(managed("kube-controller-manager", 9, ownsHard))},
			fields:  field("spec", "hard", "requests.cpu"),
		},
		"to own what lies above the field is to own it": {
			entries: []metav1.ManagedFieldsEntry{managed("kubectl-edit", 1, ownsSelector)},
			fields:  field("spec", "podSelector", "matchLabels", "no"), want: "kubectl-edit",
		},
		"to own a key is to own a part of its map": {
			entries: []metav1.ManagedFieldsEntry{managed("kubectl-edit", 1, ownsHard)},
			fields:  field("spec", "hard"), want: "kubectl-edit",
		},
		"to own a map is not to own each of its keys": {
			entries: []metav1.ManagedFieldsEntry{managed("kubectl-label", 1, ownsLabels)},
			fields:  field("metadata", "labels", "other"),
		},
		"a label's key is one name": {
			entries: []metav1.ManagedFieldsEntry{managed("kubectl-label", 1, ownsLabels)},
			fields:  field("metadata", "labels", "example.com/x"), want: "kubectl-label",
		},
		"to own an item of a list is to own a part of it": {
			entries: []metav1.ManagedFieldsEntry{managed("keeper", 1, ownsKeep)},
			fields:  []Field{{Path: []string{"metadata", "finalizers"}, Got: `["example.com/keep"]`}}, want: "keeper",
		},
		"to own another item of the list is nothing": {
			entries: []metav1.ManagedFieldsEntry{managed("keeper", 1, ownsKeep)},
			fields:  []Field{{Path: []string{"metadata", "finalizers"}, Want: `["example.com/keep"]`, Got: `["example.com/keep","example.com/other"]`}},
		},
		"of an owner that was removed nobody is accused": {
			entries: []metav1.ManagedFieldsEntry{managed("gc", 1, ownsOwner)},
			fields:  []Field{{Path: []string{"metadata", "ownerReferences"}, Want: `[{"apiVersion":"v1","kind":"A","name":"a","uid":"u1"},{"apiVersion":"v1","kind":"A","name":"b","uid":"u2"}]`, Got: `[{"apiVersion":"v1","kind":"A","name":"a","uid":"u1"}]`}},
		},
		"of an owner that was changed its manager is named": {
			entries: []metav1.ManagedFieldsEntry{managed("gc", 1, ownsOwner)},
			fields:  []Field{{Path: []string{"metadata", "ownerReferences"}, Want: `[{"apiVersion":"v1","kind":"A","name":"a","uid":"u1"}]`, Got: `[{"apiVersion":"v1","kind":"A","name":"z","uid":"u1"}]`}}, want: "gc",
		},
		"of a field that was removed nobody is accused": {
			entries: []metav1.ManagedFieldsEntry{managed("kubectl-edit", 9, ownsIngress)},
			fields:  field("spec", "policyTypes"),
		},
		"without fields the newest of all is named": {
			entries: []metav1.ManagedFieldsEntry{managed("helm", 1, ownsTypes), managed("bulwark", 9, ownsTypes), managed("kubectl-create", 5, ownsIngress)},
			want:    "kubectl-create",
		},
		"without fields and others nobody is named": {
			entries: []metav1.ManagedFieldsEntry{managed("bulwark", 9, ownsTypes)},
		},
		"an entry without a time is the oldest": {
			entries: []metav1.ManagedFieldsEntry{timeless(managed("ancient", 0, ownsTypes)), managed("helm", 1, ownsTypes)},
			fields:  field("spec", "policyTypes"), want: "helm",
		},
		"malformed fields attribute nothing": {
			entries: []metav1.ManagedFieldsEntry{managed("broken", 9, `{"f:spec":`)},
			fields:  field("spec", "policyTypes"),
		},
		"malformed fields do not stand before sound ones": {
			entries: []metav1.ManagedFieldsEntry{managed("broken", 9, `["f:spec"]`), managed("helm", 1, ownsTypes)},
			fields:  field("spec", "policyTypes"), want: "helm",
		},
		"an entry without fields attributes nothing": {
			entries: []metav1.ManagedFieldsEntry{wordless(managed("mute", 9, "")), managed("helm", 1, ownsTypes)},
			fields:  field("spec", "policyTypes"), want: "helm",
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			before := slices.Clone(tc.entries)
			if got := Attribute(tc.entries, tc.fields).Manager; got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
			if diff := cmp.Diff(before, tc.entries); diff != "" {
				t.Errorf("managedFields were changed (-before +after):\n%s", diff)
			}
		})
	}
}

func TestAttributeTellsHowAndWhen(t *testing.T) {
	entry := managed("argocd", 7, `{"f:metadata":{"f:labels":{"f:team":{}}}}`)
	entry.Operation = metav1.ManagedFieldsOperationApply
	want := Attribution{Manager: "argocd", Operation: metav1.ManagedFieldsOperationApply, Time: entry.Time}
	got := Attribute(
		[]metav1.ManagedFieldsEntry{managed("helm", 9, `{}`), entry},
		[]Field{{Path: []string{"metadata", "labels", "team"}}},
	)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
