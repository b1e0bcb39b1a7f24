package baseline_test

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/yaml"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/internal/drift"
)

func FuzzRender(f *testing.F) {
	for _, sample := range samples(f) {
		f.Add(sample, "restricted", "uid-1", "team-a")
		f.Add(sample, "restricted", "", "default")
	}
	f.Add(
		[]byte(
			`{"rbac":{"roles":[{"name":"a"},{"name":"b"}],"bindings":[{"name":"c"}],"serviceAccounts":[{"name":"a","roles":["b","a","b"]}],`+
				`"defaultServiceAccount":{}},"quotas":[{"name":"a","spec":{"hard":{"pods":"0.0001"}}}]}`,
		),
		"p",
		"u",
		"n",
	)
	f.Add(
		[]byte(
			`{"deletionPolicy":"Retain","network":{"defaultDeny":["Egress","Egress"],"allowAPIServer":{"cidrs":["b","a"],"ports":[2,1]},`+
				`"allowDNS":{},"allowSameNamespace":{},"policies":[{"name":"a","spec":{"egress":[{"ports":[{}]}]}}]}}`,
		),
		"p",
		"u",
		"n",
	)
	f.Fuzz(func(t *testing.T, spec []byte, name, uid, namespace string) {
		profile := &v1alpha1.SecurityProfile{ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID(uid)}}
		profile.Labels = map[string]string{"argocd.argoproj.io/instance": "not to be copied"}
		profile.Annotations, profile.Finalizers = profile.Labels, []string{v1alpha1.Finalizer}
		if err := profile.Spec.UnmarshalJSON(spec); err != nil {
			t.Fatal(err)
		}
		before := asJSON(t, profile)
		rendered := baseline.Render(profile, namespace)
		if diff := cmp.Diff(before, asJSON(t, profile)); diff != "" {
			t.Errorf("Render changed its input (-before +after):\n%s", diff)
		}
		again := baseline.Render(profile, namespace)
		if diff := cmp.Diff(asJSON(t, rendered), asJSON(t, again)); diff != "" {
			t.Errorf("Render is not deterministic (-first +second):\n%s", diff)
		}
		for _, o := range rendered {
			checkMetadata(t, profile, namespace, o)
		}
		checkReferences(t, profile, namespace, rendered)
		if distinct(rendered) {
			for _, d := range drift.Compare(rendered, again, drift.Ours) {
				t.Errorf("%s differs from itself: %s %v", d.Object, d.Change, d.Fields)
			}
		}
	})
}

// samples are the specs of the profiles in config/samples, as JSON.
func samples(f *testing.F) [][]byte {
	files, err := filepath.Glob("../../config/samples/*.yaml")
	if err != nil || len(files) == 0 {
		f.Fatalf("no samples: %v", err)
	}
	var specs [][]byte
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		var sample struct {
			Spec json.RawMessage `json:"spec"`
		}
		if err := yaml.Unmarshal(data, &sample); err != nil {
			f.Fatal(err)
		}
		if sample.Spec != nil { // A kustomization has none.
			specs = append(specs, sample.Spec)
		}
	}
	return specs
}

func asJSON(t *testing.T, v any) string {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// metadata is what an object says of itself in public.
type metadata struct {
	Namespace, Name     string
	Labels, Annotations map[string]string
	Owners              []metav1.OwnerReference
	Finalizers          []string
}

// checkMetadata checks what every object of a baseline bears, and that nothing else was copied to
// it.
func checkMetadata(t *testing.T, profile *v1alpha1.SecurityProfile, namespace string, o baseline.Object) {
	t.Helper()
	want := metadata{
		Namespace: namespace,
		Name:      o.GetName(),
		Labels:    map[string]string{"security.bulwark.dev/profile": profile.Name},
	}
	got := metadata{
		o.GetNamespace(),
		o.GetName(),
		maps.Clone(o.GetLabels()),
		o.GetAnnotations(),
		o.GetOwnerReferences(),
		o.GetFinalizers(),
	}
	switch kind := baseline.KindOf(o).Kind; {
	case kind == "Namespace":
		want.Namespace, want.Name = "", namespace
		maps.DeleteFunc(
			got.Labels,
			func(label, _ string) bool { return strings.HasPrefix(label, "pod-security.kubernetes.io/") },
		)
	case kind == "ServiceAccount" && o.GetName() == "default":
	default:
		want.Labels["app.kubernetes.io/managed-by"] = "bulwark"
		if profile.UID != "" && profile.Spec.DeletionPolicy != "Retain" {
			want.Owners = []metav1.OwnerReference{{
				APIVersion: "security.bulwark.dev/v1alpha1", Kind: "SecurityProfile", Name: profile.Name, UID: profile.UID,
				Controller: ptr.To(true),
			}}
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("metadata of %s (-want +got):\n%s", baseline.Reference(o), diff)
	}
}

// checkReferences checks that there is what is declared and nothing else, and that references tell
// objects apart as names do.
func checkReferences(t *testing.T, profile *v1alpha1.SecurityProfile, namespace string, rendered []baseline.Object) {
	t.Helper()
	want := append([]string{"Namespace " + namespace}, declared(&profile.Spec)...)
	var got []string
	names, references := map[string]bool{}, map[v1alpha1.ObjectReference]bool{}
	for _, o := range rendered {
		reference := baseline.Reference(o)
		name := reference.Kind + " " + o.GetName()
		got = append(got, name)
		names[name], references[reference] = true, true
		if utf8.RuneCountInString(reference.Name) > v1alpha1.MaxName || !utf8.ValidString(reference.Name) {
			t.Errorf("a reference that no report can hold: %q", reference.Name)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("objects (-want +got):\n%s", diff)
	}
	if len(names) != len(references) {
		t.Errorf("%d names have %d references", len(names), len(references))
	}
}

// declared are the kind and name of what a spec declares within the namespace, in the order in
// which it is applied.
func declared(spec *v1alpha1.SecurityProfileSpec) []string {
	var objects []string
	add := func(kind string, when bool, name string) {
		if when {
			objects = append(objects, kind+" bulwark-"+name)
		}
	}
	if n := spec.Network; n != nil {
		denies := slices.Contains(n.DefaultDeny, "Ingress") || slices.Contains(n.DefaultDeny, "Egress")
		add("NetworkPolicy", denies, "default-deny")
		add("NetworkPolicy", n.AllowDNS != nil, "allow-dns")
		add("NetworkPolicy", denies && n.AllowSameNamespace != nil, "allow-same-namespace")
		add("NetworkPolicy", n.AllowAPIServer != nil, "allow-apiserver")
		for _, policy := range n.Policies {
			add("NetworkPolicy", true, string(policy.Name))
		}
	}
	add("LimitRange", len(spec.Limits) > 0, "limits")
	for _, quota := range spec.Quotas {
		add("ResourceQuota", true, string(quota.Name))
	}
	return append(objects, declaredRBAC(spec.RBAC)...)
}

func declaredRBAC(rbac *v1alpha1.RBAC) []string {
	if rbac == nil {
		return nil
	}
	var accounts, roles, bindings []string
	if rbac.DefaultServiceAccount != nil {
		accounts = append(accounts, "ServiceAccount default")
	}
	for _, account := range rbac.ServiceAccounts {
		accounts = append(accounts, "ServiceAccount bulwark-"+string(account.Name))
	}
	for _, role := range rbac.Roles {
		roles = append(roles, "Role bulwark-"+string(role.Name))
		bindings = append(bindings, "RoleBinding bulwark-"+string(role.Name))
	}
	for _, binding := range rbac.Bindings {
		bindings = append(bindings, "RoleBinding bulwark-"+string(binding.Name))
	}
	return slices.Concat(accounts, roles, bindings)
}

// distinct reports whether no two objects have the same kind and name, which the API server sees
// to.
func distinct(objects []baseline.Object) bool {
	seen := map[v1alpha1.ObjectReference]bool{}
	for _, o := range objects {
		seen[baseline.Reference(o)] = true
	}
	return len(seen) == len(objects)
}
