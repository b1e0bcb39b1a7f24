package drift

import (
	"encoding/json"
	"math/big"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/bulwark-dev/bulwark/internal/baseline"
)

// FuzzCompare changes one object of a baseline by a JSON merge patch, as a tenant with kubectl
// could.
func FuzzCompare(f *testing.F) {
	for i := range desired() {
		for _, patch := range patches {
			f.Add(uint8(i), []byte(patch))
		}
	}
	f.Fuzz(func(t *testing.T, index uint8, patch []byte) {
		want := desired()[int(index)%len(desired())]
		got, ok := patched(stored()[int(index)%len(desired())], patch)
		if !ok {
			return
		}
		drifts := Compare([]baseline.Object{want}, []baseline.Object{got}, Ours)
		if same := looks(t, want, want) == looks(t, want, got); same != (len(drifts) == 0) {
			t.Errorf("want drift: %t, got %v of\n%s\n%s", !same, drifts, looks(t, want, want), looks(t, want, got))
		}
		again := Compare(
			[]baseline.Object{want.DeepCopyObject().(baseline.Object)},
			[]baseline.Object{got.DeepCopyObject().(baseline.Object)},
			Ours,
		)
		if diff := cmp.Diff(drifts, again); diff != "" {
			t.Errorf("Compare is not deterministic (-first +second):\n%s", diff)
		}
		for _, d := range drifts {
			checkReport(t, d.Fields)
		}
		corrected := Compare([]baseline.Object{want}, []baseline.Object{correct(t, want, got)}, Ours)
		if diff := cmp.Diff([]Drift(nil), corrected); diff != "" {
			t.Errorf("after the correction (-want +got):\n%s", diff)
		}
	})
}

// patches are changes of some object of a baseline, most of them of a field that another kind does
// not have.
var patches = []string{
	`{}`,
	`{"metadata":{"labels":{"security.bulwark.dev/profile":null}}}`,
	`{"metadata":{"labels":{"app.kubernetes.io/managed-by":null}}}`,
	`{"metadata":{"labels":{"pod-security.kubernetes.io/enforce":"privileged","a.b/c":""}}}`,
	`{"metadata":{"labels":null,"ownerReferences":null}}`,
	`{"metadata":{"annotations":{"a":"b","e":"` + strings.Repeat("é", 600) + `"},"finalizers":["x.y/z"],"generation":7}}`,
	`{"metadata":{"annotations":{"e":"` + strings.Repeat("é", 256) + `"}}}`,
	`{"metadata":{"finalizers":["x.y/z"]}}`,
	`{"metadata":{"finalizers":["x.y/z"],"deletionTimestamp":"2030-01-01T12:00:00Z"}}`,
	`{"metadata":{"labels":null,"annotations":{"a":"b"},"finalizers":["x.y/z"]},"spec":null,"rules":null,"subjects":null}`,
	`{"metadata":{"labels":{"app.kubernetes.io/managed-by":"helm","a~b/c":"d"}}}`,
	`{"metadata":{"annotations":{},"finalizers":[],"managedFields":[]}}`,
	`{"metadata":{"ownerReferences":[{"apiVersion":"security.bulwark.dev/v2","kind":"SecurityProfile","name":"other","uid":"x"}]}}`,
	`{"metadata":{"ownerReferences":[{"apiVersion":"v1","kind":"ConfigMap","name":"other","uid":"x"}]}}`,
	`{"spec":{"policyTypes":["Egress","Ingress"]}}`,
	`{"spec":{"ingress":[{}],"egress":[]}}`,
	`{"spec":{"podSelector":{"matchLabels":{},"matchExpressions":[{"key":"a","operator":"Exists"}]}}}`,
	`{"spec":{"hard":{"pods":"10000m","requests.cpu":"1000m"}}}`,
	`{"spec":{"hard":{"pods":"11","requests.cpu":null},"scopes":["Terminating"],"scopeSelector":{}}}`,
	`{"spec":{"limits":[{"type":"Container","max":{"cpu":"1000m"},"default":{"cpu":1},"defaultRequest":{"cpu":"1"}}]}}`,
	`{"spec":{"limits":[{"type":"Container","max":{"cpu":"2"}},{"type":"Pod"}]}}`,
	`{"automountServiceAccountToken":true,"secrets":[{"name":"a"}],"imagePullSecrets":[]}`,
	`{"automountServiceAccountToken":null}`,
	`{"rules":[{"apiGroups":["*"],"resources":["*"],"verbs":["*"]}]}`,
	`{"rules":null}`,
	`{"roleRef":{"name":"admin","kind":"ClusterRole"},"subjects":[]}`,
	`{"subjects":[{"kind":"Group","apiGroup":"rbac.authorization.k8s.io","name":"devs"},{"kind":"User","name":"\u0000\ud800"}]}`,
}

// patched is the object after the patch; false if it is then none of its kind.
func patched(o baseline.Object, patch []byte) (baseline.Object, bool) {
	data, err := json.Marshal(o)
	if err != nil {
		return nil, false
	}
	var object, changes map[string]any
	if json.Unmarshal(data, &object) != nil || json.Unmarshal(patch, &changes) != nil {
		return nil, false
	}
	if data, err = json.Marshal(merge(object, changes)); err != nil || endless(string(data)) {
		return nil, false
	}
	got := baseline.KindOf(o).New()
	if json.Unmarshal(data, got) != nil {
		return nil, false
	}
	got.SetName(o.GetName())
	return got, true
}

// endless reports whether there may be a quantity in it that takes hours to compute. The API server
// never stores one.
func endless(data string) bool {
	for _, exponent := range strings.FieldsFunc(strings.ToLower(data), func(r rune) bool { return !strings.ContainsRune("0123456789e+-", r) }) {
		if _, digits, found := strings.Cut(exponent, "e"); found && len(strings.TrimLeft(digits, "+-")) > 2 {
			return true
		}
	}
	return false
}

// merge applies a JSON merge patch (RFC 7386).
func merge(object, patch map[string]any) map[string]any {
	if object == nil {
		object = map[string]any{}
	}
	for key, change := range patch {
		switch change := change.(type) {
		case nil:
			delete(object, key)
		case map[string]any:
			inner, _ := object[key].(map[string]any)
			object[key] = merge(inner, change)
		default:
			object[key] = change
		}
	}
	return object
}

// correct is the object that was found after the operator has corrected it.
func correct(t *testing.T, want, got baseline.Object) baseline.Object {
	t.Helper()
	if got.GetDeletionTimestamp() != nil && !baseline.BelongsToNamespace(want) {
		return want.DeepCopyObject().(baseline.Object) // It is made anew.
	}
	if !baseline.KindOf(want).Shared {
		return afterPatch(t, want, got)
	}
	corrected := got.DeepCopyObject().(baseline.Object)
	labels := map[string]string{}
	for _, from := range []map[string]string{got.GetLabels(), want.GetLabels()} {
		for key, value := range from {
			labels[key] = value
		}
	}
	corrected.SetLabels(labels)
	if account, ok := corrected.(*corev1.ServiceAccount); ok {
		account.AutomountServiceAccountToken = want.(*corev1.ServiceAccount).AutomountServiceAccountToken
	}
	if !baseline.BelongsToNamespace(want) {
		others := slices.DeleteFunc(slices.Clone(got.GetOwnerReferences()), OwnedByProfile)
		corrected.SetOwnerReferences(append(others, want.GetOwnerReferences()...))
	}
	return corrected
}

// afterPatch is the object that was found after Patch, as the API server applies it. What others
// have put on it is still there.
func afterPatch(t *testing.T, want, got baseline.Object) baseline.Object {
	t.Helper()
	data, err := Patch(want, got)
	if err != nil {
		t.Fatal(err)
	}
	patch, err := jsonpatch.DecodePatch(data)
	if err != nil {
		t.Fatal(err)
	}
	before, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	after, err := patch.Apply(before)
	if err != nil {
		t.Fatalf("%v:\n%s\n%s", err, data, before)
	}
	corrected := baseline.KindOf(want).New()
	if err := json.Unmarshal(after, corrected); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(othersOf(want, got), othersOf(want, corrected), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("what others have put on it (-before +after):\n%s", diff)
	}
	return corrected
}

// othersOf is the metadata of an exclusive object that is not Bulwark's.
func othersOf(want, o baseline.Object) []any {
	labels := map[string]string{}
	for key, value := range o.GetLabels() {
		if _, ours := want.GetLabels()[key]; !ours {
			labels[key] = value
		}
	}
	return []any{labels, o.GetAnnotations(), o.GetFinalizers()}
}

// checkReport checks that the CRD's schema admits what a report says of the fields.
func checkReport(t *testing.T, fields []Field) {
	t.Helper()
	report := Report(fields)
	if len(report) != min(16, len(fields)) {
		t.Errorf("%d fields are reported as %d", len(fields), len(report))
	}
	for _, field := range report {
		checkText(t, field.Path, 512)
		checkText(t, field.Want, 257)
		checkText(t, field.Got, 257)
	}
}

// checkText checks that a text has no more characters than the schema admits, and is one.
func checkText(t *testing.T, text string, most int) {
	t.Helper()
	if n := utf8.RuneCountInString(text); n > most || !utf8.ValidString(text) {
		t.Errorf("%d characters where at most %d are admitted: %q", n, most, text)
	}
}

// looks is, as JSON in one form only, what of an object is compared. It knows nothing of how
// Compare does that.
func looks(t *testing.T, want, o baseline.Object) string {
	t.Helper()
	data, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	var object map[string]any
	if err := json.Unmarshal(data, &object); err != nil {
		t.Fatal(err)
	}
	meta := object["metadata"].(map[string]any)
	compared := map[string]any{}
	switch want.(type) {
	case *corev1.Namespace:
		compared["labels"] = only(meta["labels"], want.GetLabels())
	case *corev1.ServiceAccount:
		compared["labels"] = only(meta["labels"], want.GetLabels())
		compared["automount"] = object["automountServiceAccountToken"]
		if want.GetName() != "default" {
			owners, _ := meta["ownerReferences"].([]any)
			compared["owners"] = slices.DeleteFunc(owners, func(owner any) bool { return !isProfile(owner.(map[string]any)) })
		}
	default:
		compared["labels"] = only(meta["labels"], want.GetLabels())
		compared["owners"] = meta["ownerReferences"]
		for _, key := range []string{"spec", "rules", "roleRef", "subjects"} {
			compared[key] = object[key]
		}
	}
	if !baseline.BelongsToNamespace(want) {
		compared["goes"] = meta["deletionTimestamp"]
	}
	out, err := json.Marshal(normal("", compared))
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// only are those of the labels that somebody wants.
func only(labels any, wanted map[string]string) map[string]any {
	out := map[string]any{}
	held, _ := labels.(map[string]any)
	for key := range wanted {
		out[key] = held[key]
	}
	return out
}

func isProfile(owner map[string]any) bool {
	group, version, found := strings.Cut(owner["apiVersion"].(string), "/")
	return found && !strings.Contains(version, "/") && group == "security.bulwark.dev" &&
		owner["kind"] == "SecurityProfile"
}

// quantityMaps are the fields that map to quantities.
var quantityMaps = []string{"hard", "max", "min", "default", "defaultRequest", "maxLimitRequestRatio"}

// normal is a JSON value in which a list that is empty is one that is not there, and a quantity is
// the number it stands for.
func normal(name string, value any) any {
	switch value := value.(type) {
	case map[string]any:
		out := map[string]any{}
		for key, v := range value {
			if text, ok := v.(string); ok && slices.Contains(quantityMaps, name) {
				q := resource.MustParse(text)
				number, _ := new(big.Rat).SetString(q.AsDec().String())
				out[key] = number.RatString()
			} else if v = normal(key, v); v != nil {
				out[key] = v
			}
		}
		return out
	case []any:
		var out []any
		for _, v := range value {
			out = append(out, normal("", v))
		}
		if out == nil {
			return nil
		}
		return out
	}
	return value
}
