package upgrade

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/test/framework/controlplane"
)

// tiers are the namespaces, and how many of each.
var tiers = map[string]int{"prod": 20, "digests": 10, "plain": 10}

// story is one way up and down again.
type story struct {
	t     *testing.T
	plane *controlplane.ControlPlane
	admin client.WithWatch

	namespaces map[string][]string
	operators  []*controlplane.Operator
	guards     []*guard
	probes     []*probe

	mu    sync.Mutex
	step  string
	steps []string
	took  map[string]time.Duration
	began time.Time
}

// during is the name of the present step.
func (s *story) during() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.step
}

// doing does a step, and lets what it brought about go on for a while.
func (s *story) doing(step string, do func() error) {
	s.t.Helper()
	s.mu.Lock()
	s.step = step
	s.steps = append(s.steps, step)
	s.mu.Unlock()
	fmt.Printf("%5.0f s  %s\n", time.Since(s.began).Seconds(), step)
	began := time.Now()
	if err := do(); err != nil {
		s.t.Fatalf("%s: %v", step, err)
	}
	s.took[step] = time.Since(began)
	time.Sleep(5 * time.Second) // How long each state lasts, with every request sent some sixty times.
}

// watch begins to watch and to send requests, until the context ends.
func (s *story) watch(ctx context.Context) error {
	for _, g := range s.guards {
		if err := g.begin(ctx, s.admin, s.during); err != nil {
			return err
		}
	}
	cfg := rest.CopyConfig(s.plane.Config)
	cfg.Impersonate = rest.ImpersonationConfig{UserName: "somebody", Groups: []string{"system:masters"}}
	somebody, err := client.New(cfg, client.Options{Scheme: s.admin.Scheme()})
	if err != nil {
		return err
	}
	for _, p := range s.probes {
		go p.run(ctx, somebody, s.namespaces[p.tier], s.during)
	}
	return nil
}

// createNamespaces creates those of all tiers.
func (s *story) createNamespaces(ctx context.Context) error {
	for tier, count := range tiers {
		for i := range count {
			name := fmt.Sprintf("%s-%d", tier, i)
			if err := s.createNamespace(ctx, name, tier); err != nil {
				return err
			}
			s.namespaces[tier] = append(s.namespaces[tier], name)
		}
	}
	return nil
}

func (s *story) createNamespace(ctx context.Context, name, tier string) error {
	return s.admin.Create(ctx, &corev1.Namespace{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"tier": tier}},
	})
}

// forms are the profiles in each form that the API had, the present first.
var forms = []string{"profiles.yaml", "profiles-booleans.yaml"}

func formPath(form string) string {
	return filepath.Join(controlplane.Root(), "test", "upgrade", "testdata", form)
}

// formOf is the form that the installed CRD takes.
func (s *story) formOf(ctx context.Context) (string, error) {
	var refusals error
	for _, form := range forms {
		manifests, err := os.ReadFile(formPath(form))
		if err != nil {
			return "", err
		}
		cmd := s.plane.Kubectl(ctx, "create", "--dry-run=server", "--validate=strict", "-f", "-")
		cmd.Stdin = strings.NewReader(strings.ReplaceAll(string(manifests), "\n  name: ", "\n  name: new-"))
		out, err := cmd.CombinedOutput()
		if err == nil {
			return form, nil
		}
		refusals = errors.Join(refusals, fmt.Errorf("%s: %s", form, out))
	}
	return "", fmt.Errorf("no form of the profiles is taken: %w", refusals)
}

var profileKind = schema.GroupVersionKind{
	Group: v1alpha1.GroupVersion.Group, Version: v1alpha1.GroupVersion.Version, Kind: "SecurityProfile",
}

// profiles are the stored ones, as no version's types.
func (s *story) profiles(ctx context.Context) ([]unstructured.Unstructured, error) {
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(profileKind.GroupVersion().WithKind("SecurityProfileList"))
	err := s.admin.List(ctx, list)
	return list.Items, err
}

// settled waits until every profile is ready with what it declares now, of this many namespaces.
func (s *story) settled(ctx context.Context, namespaces int) error {
	return eventually(ctx, 2*time.Minute, func() error {
		profiles, err := s.profiles(ctx)
		if err != nil {
			return err
		}
		compliant := int64(0)
		for _, p := range profiles {
			observed, _, _ := unstructured.NestedInt64(p.Object, "status", "observedGeneration")
			if observed != p.GetGeneration() || condition(p, "Ready")["status"] != "True" {
				return fmt.Errorf("profile %s: observed %d, %v", p.GetName(), observed, condition(p, "Ready"))
			}
			n, _, _ := unstructured.NestedInt64(p.Object, "status", "namespaces", "compliant")
			compliant += n
		}
		if compliant != int64(namespaces) {
			return fmt.Errorf("%d of %d namespaces are compliant", compliant, namespaces)
		}
		return nil
	})
}

// condition is one of a profile's status; nil if it does not have it.
func condition(p unstructured.Unstructured, conditionType string) map[string]any {
	conditions, _, _ := unstructured.NestedSlice(p.Object, "status", "conditions")
	for _, c := range conditions {
		if c := c.(map[string]any); c["type"] == conditionType {
			return c
		}
	}
	return nil
}

// managed is what is known of an object of a baseline at one moment.
type managed struct {
	uid     any
	content map[string]any
}

// baselines are all objects that bear a profile's name.
func (s *story) baselines(ctx context.Context) (map[string]managed, error) {
	all := map[string]managed{}
	for _, kind := range slices.Concat(baseline.NamespacedKinds, baseline.ClusterKinds) {
		list := &unstructured.UnstructuredList{}
		list.SetGroupVersionKind(kind.GroupVersion().WithKind(kind.Kind + "List"))
		if err := s.admin.List(ctx, list, client.HasLabels{v1alpha1.ProfileLabel}); err != nil {
			return nil, err
		}
		for _, o := range list.Items {
			content := o.DeepCopy().Object
			delete(content, "metadata")
			delete(content, "status")
			delete(content, "secrets")
			all[kind.Kind+" "+named(&o)] = managed{uid: o.GetUID(), content: content}
		}
	}
	return all, nil
}

// difference is which objects are gone, were made anew, or are of other content.
func difference(before, after map[string]managed) (gone, anew, changed []string) {
	for key, was := range before {
		is, there := after[key]
		switch {
		case !there:
			gone = append(gone, key)
		case is.uid != was.uid:
			anew = append(anew, key)
		case !reflect.DeepEqual(is.content, was.content):
			changed = append(changed, key)
		}
	}
	for _, keys := range [][]string{gone, anew, changed} {
		slices.Sort(keys)
	}
	return gone, anew, changed
}

func asJSON(o any) string {
	text, err := json.Marshal(o)
	if err != nil {
		return err.Error()
	}
	return string(text)
}
