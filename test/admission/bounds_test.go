package admission

import (
	"fmt"
	"strings"
	"testing"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"pgregory.net/rapid"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	bulwark "github.com/bulwark-dev/bulwark/internal/admission"
	"github.com/bulwark-dev/bulwark/internal/admission/offline"
	"github.com/bulwark-dev/bulwark/internal/selection"
	"github.com/bulwark-dev/bulwark/test/framework/controlplane"
)

// atTheBounds has every list of the rules as long as the CRD lets it be, and each element as long.
func atTheBounds(t *testing.T) *v1alpha1.SecurityProfile {
	t.Helper()
	p := &v1alpha1.SecurityProfile{ObjectMeta: metav1.ObjectMeta{Name: "at-the-bounds"}}
	read(t, everything, &p.Spec)
	long := func(of string, n, length int) string { return strings.Repeat(of, length-3) + fmt.Sprintf("%03d", n) }
	p.Spec.ExcludeNamespaces, p.Spec.Images.AllowedRegistries, p.Spec.Images.DenyTags = nil, nil, nil
	for n := range 256 {
		p.Spec.ExcludeNamespaces = append(p.Spec.ExcludeNamespaces, long("n", n, 63))
	}
	for n := range 64 {
		p.Spec.Images.AllowedRegistries = append(p.Spec.Images.AllowedRegistries, "r.io/"+long("r", n, 250))
	}
	for n := range 32 {
		p.Spec.Images.DenyTags = append(p.Spec.Images.DenyTags, long("t", n, 128))
	}
	w := p.Spec.Workloads
	w.SELinux, w.HostPath.Allowed, w.HostPort.Allowed = nil, nil, nil
	for n := range 16 {
		w.SELinux = append(w.SELinux, long("s", n, 63))
		w.HostPath.Allowed = append(
			w.HostPath.Allowed,
			v1alpha1.AllowedHostPath{PathPrefix: "/" + long("p", n, 250), ReadOnly: v1alpha1.RequirementRequire},
		)
		w.HostPort.Allowed = append(w.HostPort.Allowed, v1alpha1.PortRange{Min: 60000, Max: int32(60001 + n)})
	}
	p.Spec.Protection.BreakGlassGroups, p.Spec.Protection.BreakGlassUsers = nil, nil
	for n := range 8 {
		p.Spec.Protection.BreakGlassGroups = append(p.Spec.Protection.BreakGlassGroups, long("ü", n, 256))
		p.Spec.Protection.BreakGlassUsers = append(p.Spec.Protection.BreakGlassUsers, long("ü", n, 256))
	}
	return p
}

// outranking generates profiles that select by as much as the CRD allows, or by a little, and
// leaves in force what package selection does.
func outranking(t *rapid.T) []*v1alpha1.SecurityProfile {
	var all []v1alpha1.SecurityProfile
	for i := range rapid.IntRange(1, 24).Draw(t, "profiles") {
		p := v1alpha1.SecurityProfile{
			ObjectMeta: metav1.ObjectMeta{
				Name:              fmt.Sprintf("outranking-%02d", i),
				CreationTimestamp: metav1.NewTime(time.Unix(int64(1e9+i), 0)),
			},
		}
		p.Spec.Priority = 1
		for k := range rapid.IntRange(0, 32).Draw(t, "expressions") {
			e := v1alpha1.LabelRequirement{Key: fmt.Sprintf("key-%02d", k), Operator: metav1.LabelSelectorOpNotIn}
			values := rapid.SampledFrom([]int{1, 8, 64}).Draw(t, "values")
			for v := range values {
				e.Values = append(e.Values, strings.Repeat("v", 61)+fmt.Sprintf("%02d", v))
			}
			p.Spec.NamespaceSelector.MatchExpressions = append(p.Spec.NamespaceSelector.MatchExpressions, e)
		}
		glob := rapid.SampledFrom([]string{"a", "a*", strings.Repeat("*a", 30), strings.Repeat("?", 60), strings.Repeat("n", 60)}).
			Draw(t, "glob")
		for g := range rapid.SampledFrom([]int{0, 1, 64, 256}).Draw(t, "globs") {
			p.Spec.ExcludeNamespaces = append(p.Spec.ExcludeNamespaces, fmt.Sprintf("%s%03d", glob, g))
		}
		all = append(all, p)
	}
	lowest := &v1alpha1.SecurityProfile{ObjectMeta: metav1.ObjectMeta{Name: "lowest"}}
	return selection.New(all, nil).Outranking(lowest)
}

// testBounds: one profile's size never breaks another's policies, nor its own rules.
func (s *suite) testBounds(t *testing.T) {
	profile := atTheBounds(t)
	t.Run("a profile at the bounds is as it is stored", func(t *testing.T) {
		s.checkAsIf(t, profile, bulwark.Cluster{Operator: controlplane.OperatorUser})
	})
	t.Run("beside a hundred of normal size", func(t *testing.T) {
		var others []*v1alpha1.SecurityProfile
		for i := range 100 {
			p := &v1alpha1.SecurityProfile{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprint("normal-", i)}}
			read(
				t,
				fmt.Sprintf(
					`namespaceSelector: {matchLabels: {team: team-%d}, matchExpressions: [{key: tier, operator: In, values: [prod, staging]}]},
				excludeNamespaces: [sandbox, 'ci-*']`,
					i,
				),
				&p.Spec,
			)
			others = append(others, p)
		}
		s.checkInForce(t, profile, others)
	})
	t.Run("beside generated ones at the bounds", func(t *testing.T) {
		checks := 0
		rapid.Check(t, func(t *rapid.T) {
			if checks++; checks > 4 {
				return // Each takes some seconds.
			}
			s.checkInForce(t, profile, outranking(t))
		})
	})
	t.Run("beside as much as there may be, they type-check", func(t *testing.T) {
		var full []v1alpha1.SecurityProfile
		for i := range 12 {
			p := v1alpha1.SecurityProfile{
				ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("full-%02d", i)},
				Spec:       v1alpha1.SecurityProfileSpec{Priority: 1},
			}
			for k := range 7 {
				e := v1alpha1.LabelRequirement{Key: fmt.Sprint("key-", k), Operator: metav1.LabelSelectorOpIn}
				for v := range 64 {
					e.Values = append(e.Values, strings.Repeat("v", 61)+fmt.Sprintf("%02d", v))
				}
				p.Spec.NamespaceSelector.MatchExpressions = append(p.Spec.NamespaceSelector.MatchExpressions, e)
			}
			full = append(full, p)
		}
		profile.Spec.NamespaceSelector.MatchLabels = map[string]string{"no": "namespace"}
		s.create(t, profile)
		others := selection.New(full, nil).Outranking(profile)
		if len(others) != 8 {
			t.Fatalf("%d of them outrank", len(others))
		}
		policies := bulwark.Render(profile, bulwark.Cluster{Operator: controlplane.OperatorUser, Outranking: others})
		s.apply(t, policies)
		for _, p := range policies {
			checked := &admissionregistrationv1.ValidatingAdmissionPolicy{}
			eventually(t, p.Name+" is type-checked", func() (bool, error) {
				err := s.admin.Get(s.ctx, client.ObjectKeyFromObject(p.ValidatingAdmissionPolicy), checked)
				return err == nil && checked.Status.ObservedGeneration > 0 && checked.Status.TypeChecking != nil, err
			})
			for _, w := range checked.Status.TypeChecking.ExpressionWarnings {
				t.Errorf("%s: %s: %s", p.Name, w.FieldRef, w.Warning)
			}
		}
	})
}

// checkInForce checks that the API server stores the policies as rendered, and that its budget
// suffices for the largest pod.
func (s *suite) checkInForce(t reporter, profile *v1alpha1.SecurityProfile, others []*v1alpha1.SecurityProfile) {
	t.Helper()
	cluster := bulwark.Cluster{Operator: controlplane.OperatorUser, Outranking: others}
	s.checkAsIf(t, profile, cluster)
	evaluator, err := offline.New(profile, cluster)
	if err != nil {
		t.Fatalf("%v", err)
	}
	namespace := &corev1.Namespace{
		ObjectMeta: metav1.ObjectMeta{
			Name:   strings.Repeat("x", 63),
			Labels: map[string]string{"no": "namespace", "team": "team-1"},
		},
	}
	for k := range 32 {
		namespace.Labels[fmt.Sprintf("key-%02d", k)] = strings.Repeat("v", 61) + "99"
	}
	for _, request := range offline.HeaviestRequests() {
		request.Namespace = namespace
		if _, err := evaluator.Cost(s.ctx, request); err != nil {
			t.Errorf("%v", err)
		}
	}
	relabelled := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1",
		"kind":       "Namespace",
		"metadata":   map[string]any{"name": namespace.Name, "labels": map[string]any{"no": "namespace", "key-00": "x"}},
	}}
	if costs, err := evaluator.Cost(
		s.ctx,
		offline.Request{Object: relabelled, OldObject: relabelled},
	); err != nil ||
		len(costs) != 1 {
		t.Errorf("of a namespace: %v, %v", costs, err)
	}
}
