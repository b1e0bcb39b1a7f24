package baseline

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
)

// profile is a profile that was stored, of the given spec.
func profile(spec v1alpha1.SecurityProfileSpec) *v1alpha1.SecurityProfile {
	return &v1alpha1.SecurityProfile{ObjectMeta: metav1.ObjectMeta{Name: "restricted", UID: "uid-1"}, Spec: spec}
}

// rendered are the objects of one type in the baseline of namespace team-a.
func rendered[T Object](spec v1alpha1.SecurityProfileSpec) []T {
	return only[T](Render(profile(spec), "team-a"))
}

func only[T Object](objects []Object) []T {
	var out []T
	for _, o := range objects {
		if typed, ok := o.(T); ok {
			out = append(out, typed)
		}
	}
	return out
}

// keys name objects in their order, as Kind/name.
func keys(objects []Object) []string {
	var out []string
	for _, o := range objects {
		out = append(out, KindOf(o).Kind+"/"+o.GetName())
	}
	return out
}

func byKey(objects []Object) map[string]Object {
	out := map[string]Object{}
	for _, o := range objects {
		out[keys([]Object{o})[0]] = o
	}
	return out
}

func quantities(pairs ...string) corev1.ResourceList {
	list := corev1.ResourceList{}
	for i := 0; i < len(pairs); i += 2 {
		list[corev1.ResourceName(pairs[i])] = resource.MustParse(pairs[i+1])
	}
	return list
}

// everything is a spec with two of each thing that is named, and with every value that the API
// server defaults left out.
func everything() v1alpha1.SecurityProfileSpec {
	admitting := networkingv1.NetworkPolicySpec{
		Ingress: []networkingv1.NetworkPolicyIngressRule{{
			Ports: []networkingv1.NetworkPolicyPort{{Port: ptr.To(intstr.FromInt32(8080))}},
		}},
	}
	rules := []v1alpha1.PolicyRule{{Resources: []string{"pods"}, Verbs: []string{"get"}}}
	group := []v1alpha1.Subject{{Kind: "Group", Name: "devs"}}
	return v1alpha1.SecurityProfileSpec{
		PodSecurity: &v1alpha1.PodSecurity{Enforce: "restricted", Warn: "baseline"},
		Network: &v1alpha1.Network{
			DefaultDeny:        []networkingv1.PolicyType{"Ingress", "Egress"},
			AllowDNS:           &v1alpha1.AllowDNS{CIDRs: []string{"169.254.20.10/32", "fd00::10/128"}},
			AllowSameNamespace: &v1alpha1.AllowSameNamespace{},
			AllowAPIServer:     &v1alpha1.AllowAPIServer{CIDRs: []string{"10.0.0.1/32", "10.0.0.2/32"}},
			Policies:           []v1alpha1.NetworkPolicy{{Name: "in", Spec: admitting}, {Name: "out", Spec: admitting}},
		},
		Limits: []v1alpha1.LimitRangeItem{
			{Type: corev1.LimitTypeContainer, Max: quantities("cpu", "0.0001")},
			{Type: corev1.LimitTypePod, Max: quantities("memory", "1Gi")},
		},
		Quotas: []v1alpha1.Quota{
			{Name: "compute", Spec: corev1.ResourceQuotaSpec{Hard: quantities("requests.cpu", "0.0001")}},
			{Name: "objects", Spec: corev1.ResourceQuotaSpec{Hard: quantities("pods", "10")}},
		},
		RBAC: &v1alpha1.RBAC{
			Roles: []v1alpha1.Role{
				{Name: "developer", Rules: rules, Subjects: group}, {Name: "viewer", Rules: rules, Subjects: group},
			},
			Bindings: []v1alpha1.RoleBinding{
				{Name: "view", ClusterRole: "view", Subjects: group}, {Name: "edit", ClusterRole: "edit", Subjects: group},
			},
			ServiceAccounts: []v1alpha1.ServiceAccount{
				{Name: "app", Roles: []v1alpha1.ObjectName{"developer", "viewer"}},
				{Name: "batch", Roles: []v1alpha1.ObjectName{"developer"}},
			},
			DefaultServiceAccount: &v1alpha1.DefaultServiceAccount{},
		},
	}
}

func TestRenderListsObjectsInTheOrderInWhichToApplyThem(t *testing.T) {
	for sentence, tc := range map[string]struct {
		spec v1alpha1.SecurityProfileSpec
		want []string
	}{
		"an empty profile renders the namespace only": {want: []string{"Namespace/team-a"}},
		"pod security is labels of the namespace": {
			spec: v1alpha1.SecurityProfileSpec{PodSecurity: &v1alpha1.PodSecurity{Enforce: "baseline"}},
			want: []string{"Namespace/team-a"},
		},
		"what restricts comes before what permits": {
			spec: everything(),
			want: []string{
				"Namespace/team-a",
				"NetworkPolicy/bulwark-default-deny",
				"NetworkPolicy/bulwark-allow-dns",
				"NetworkPolicy/bulwark-allow-same-namespace",
				"NetworkPolicy/bulwark-allow-apiserver",
				"NetworkPolicy/bulwark-in",
				"NetworkPolicy/bulwark-out",
				"LimitRange/bulwark-limits",
				"ResourceQuota/bulwark-compute",
				"ResourceQuota/bulwark-objects",
				"ServiceAccount/default",
				"ServiceAccount/bulwark-app",
				"ServiceAccount/bulwark-batch",
				"Role/bulwark-developer",
				"Role/bulwark-viewer",
				"RoleBinding/bulwark-developer",
				"RoleBinding/bulwark-viewer",
				"RoleBinding/bulwark-view",
				"RoleBinding/bulwark-edit",
			},
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, keys(Render(profile(tc.spec), "team-a"))); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestRenderGivesOwnedObjectsTheirMetadataAndNothingElse(t *testing.T) {
	p := profile(everything())
	p.Generation, p.ResourceVersion = 7, "42"
	p.Labels = map[string]string{"app.kubernetes.io/instance": "argo-app", "app.kubernetes.io/managed-by": "argocd"}
	p.Annotations = map[string]string{
		"argocd.argoproj.io/tracking-id":                   "app:security.bulwark.dev/SecurityProfile:/restricted",
		"kubectl.kubernetes.io/last-applied-configuration": "{}",
	}
	p.Finalizers = []string{v1alpha1.Finalizer}
	p.OwnerReferences = []metav1.OwnerReference{{APIVersion: "v1", Kind: "ConfigMap", Name: "above", UID: "uid-0"}}

	for _, o := range Render(p, "team-a")[1:] {
		if BelongsToNamespace(o) {
			continue
		}
		want := metav1.ObjectMeta{
			Namespace: "team-a",
			Name:      o.GetName(),
			Labels: map[string]string{
				"app.kubernetes.io/managed-by": "bulwark",
				"security.bulwark.dev/profile": "restricted",
			},
			OwnerReferences: []metav1.OwnerReference{{
				APIVersion: "security.bulwark.dev/v1alpha1", Kind: "SecurityProfile",
				Name: "restricted", UID: "uid-1", Controller: ptr.To(true),
			}},
		}
		if diff := cmp.Diff(want, metadata(o)); diff != "" {
			t.Errorf("%s %s (-want +got):\n%s", KindOf(o).Kind, o.GetName(), diff)
		}
	}
}

func metadata(o Object) metav1.ObjectMeta {
	return *o.(interface{ GetObjectMeta() metav1.Object }).GetObjectMeta().(*metav1.ObjectMeta)
}

func TestRenderGivesTheNamespaceLabelsAndNothingElse(t *testing.T) {
	p := profile(everything())
	p.Labels = map[string]string{"app.kubernetes.io/instance": "argo-app"}
	want := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		Name: "team-a",
		Labels: map[string]string{
			"security.bulwark.dev/profile":               "restricted",
			"pod-security.kubernetes.io/enforce":         "restricted",
			"pod-security.kubernetes.io/enforce-version": "latest",
			"pod-security.kubernetes.io/warn":            "baseline",
			"pod-security.kubernetes.io/warn-version":    "latest",
		},
	}}
	if diff := cmp.Diff(want, Render(p, "team-a")[0].(*corev1.Namespace)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestOwner(t *testing.T) {
	for sentence, tc := range map[string]struct {
		uid  types.UID
		want []metav1.OwnerReference
	}{
		"a stored profile owns, as controller, without blocking its own deletion": {
			uid: "uid-1",
			want: []metav1.OwnerReference{{
				APIVersion: "security.bulwark.dev/v1alpha1", Kind: "SecurityProfile",
				Name: "restricted", UID: "uid-1", Controller: ptr.To(true),
			}},
		},
		"a profile without a UID owns nothing": {},
	} {
		t.Run(sentence, func(t *testing.T) {
			p := profile(everything())
			p.UID = tc.uid
			if diff := cmp.Diff(tc.want, Owner(p)); diff != "" {
				t.Errorf("Owner (-want +got):\n%s", diff)
			}
			for _, o := range Render(p, "team-a") {
				want := tc.want
				if BelongsToNamespace(o) {
					want = nil
				}
				if diff := cmp.Diff(want, o.GetOwnerReferences()); diff != "" {
					t.Errorf("%s %s (-want +got):\n%s", KindOf(o).Kind, o.GetName(), diff)
				}
			}
		})
	}
}

func TestRenderNeverChangesItsInput(t *testing.T) {
	p := profile(everything())
	p.CreationTimestamp = metav1.NewTime(time.Unix(1_700_000_000, 0))
	slices.Reverse(p.Spec.Limits)
	before := p.DeepCopy()
	first := Render(p, "team-a")
	if diff := cmp.Diff(before, p, cmp.AllowUnexported(v1alpha1.SecurityProfileSpec{})); diff != "" {
		t.Fatalf("the profile after rendering (-before +after):\n%s", diff)
	}
	for _, o := range first {
		deface(o)
	}
	if diff := cmp.Diff(before, p, cmp.AllowUnexported(v1alpha1.SecurityProfileSpec{})); diff != "" {
		t.Errorf("the profile after its objects were changed (-before +after):\n%s", diff)
	}
}

// deface changes an object in what it could share with its profile.
func deface(o Object) {
	o.GetLabels()["defaced"] = "true"
	switch o := o.(type) {
	case *networkingv1.NetworkPolicy:
		o.Spec.PolicyTypes[0] = "Defaced"
		for i := range o.Spec.Ingress {
			for j := range o.Spec.Ingress[i].Ports {
				*o.Spec.Ingress[i].Ports[j].Port = intstr.FromString("defaced")
			}
		}
	case *corev1.LimitRange:
		for i := range o.Spec.Limits {
			o.Spec.Limits[i].Max["defaced"] = resource.MustParse("1")
		}
	case *corev1.ResourceQuota:
		o.Spec.Hard["defaced"] = resource.MustParse("1")
	}
}

func TestRenderTwiceGivesTheSame(t *testing.T) {
	p := profile(everything())
	if diff := cmp.Diff(Render(p, "team-a"), Render(p, "team-a")); diff != "" {
		t.Errorf("(-first +second):\n%s", diff)
	}
}

func TestReorderingAListOfTheProfileChangesNoObject(t *testing.T) {
	for sentence, reorder := range map[string]func(*v1alpha1.SecurityProfileSpec){
		"directions":         func(s *v1alpha1.SecurityProfileSpec) { slices.Reverse(s.Network.DefaultDeny) },
		"policies":           func(s *v1alpha1.SecurityProfileSpec) { slices.Reverse(s.Network.Policies) },
		"CIDRs of DNS":       func(s *v1alpha1.SecurityProfileSpec) { slices.Reverse(s.Network.AllowDNS.CIDRs) },
		"API server's CIDRs": func(s *v1alpha1.SecurityProfileSpec) { slices.Reverse(s.Network.AllowAPIServer.CIDRs) },
		"API server's ports": func(s *v1alpha1.SecurityProfileSpec) { slices.Reverse(s.Network.AllowAPIServer.Ports) },
		"limits":             func(s *v1alpha1.SecurityProfileSpec) { slices.Reverse(s.Limits) },
		"quotas":             func(s *v1alpha1.SecurityProfileSpec) { slices.Reverse(s.Quotas) },
		"roles":              func(s *v1alpha1.SecurityProfileSpec) { slices.Reverse(s.RBAC.Roles) },
		"bindings":           func(s *v1alpha1.SecurityProfileSpec) { slices.Reverse(s.RBAC.Bindings) },
		"service accounts":   func(s *v1alpha1.SecurityProfileSpec) { slices.Reverse(s.RBAC.ServiceAccounts) },
		"a service account's roles": func(s *v1alpha1.SecurityProfileSpec) {
			slices.Reverse(s.RBAC.ServiceAccounts[0].Roles)
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			spec := everything()
			spec.Network.AllowAPIServer.Ports = []int32{443, 6443}
			before := spec.DeepCopy()
			reorder(&spec)
			if cmp.Equal(*before, spec, cmp.AllowUnexported(v1alpha1.SecurityProfileSpec{})) {
				t.Fatal("the reordering changes nothing in the profile, so that the test shows nothing")
			}
			want, got := byKey(Render(profile(*before), "team-a")), byKey(Render(profile(spec), "team-a"))
			if len(got) != len(want) {
				t.Errorf("got %d objects, want %d", len(got), len(want))
			}
			for key := range want {
				if diff := cmp.Diff(want[key], got[key]); diff != "" {
					t.Errorf("%s (-before +after):\n%s", key, diff)
				}
			}
		})
	}
}
