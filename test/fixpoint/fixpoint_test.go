package fixpoint

import (
	"context"
	"flag"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/internal/drift"
	"github.com/bulwark-dev/bulwark/internal/operator"
	"github.com/bulwark-dev/bulwark/test/controlplane"
	"github.com/bulwark-dev/bulwark/test/fixture"
)

// generatedProfiles is how many profiles are generated; rapid's own flags replay a failure by its seed.
const generatedProfiles = 500

// TestWhatIsRenderedIsWhatIsStored applies the rendered objects of profiles and reads them back.
func TestWhatIsRenderedIsWhatIsStored(t *testing.T) {
	s := start(t)
	samples, err := fixture.Samples()
	if err != nil {
		t.Fatal(err)
	}
	if len(samples) < 4 {
		t.Fatalf("there are only %d samples", len(samples))
	}
	for i := range samples {
		t.Run("sample "+samples[i].Name, func(t *testing.T) { s.check(t, &samples[i]) })
	}
	t.Run("generated", func(t *testing.T) {
		if err := flag.Set("rapid.checks", fmt.Sprint(generatedProfiles)); err != nil {
			t.Fatal(err)
		}
		rapid.Check(t, func(t *rapid.T) { s.check(t, profiles().Draw(t, "profile")) })
	})
	t.Logf("%d profiles rendered, %d objects applied and read back", s.profiles, s.objects)
}

// reporter is what testing.T and rapid.T have in common.
type reporter interface {
	Helper()
	Fatalf(format string, args ...any)
	Errorf(format string, args ...any)
}

// suite is a control plane without the operator, and a stored profile that owns what is applied.
type suite struct {
	ctx      context.Context
	admin    client.Client
	owner    *v1alpha1.SecurityProfile
	profiles int
	objects  int
}

func start(t *testing.T) *suite {
	t.Helper()
	ctx := t.Context()
	plane, err := controlplane.Start(ctx)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := plane.Stop(); err != nil {
			t.Error(err)
		}
	})
	if err := plane.Install(ctx); err != nil {
		t.Fatal(err)
	}
	admin, err := client.New(plane.Config, client.Options{Scheme: operator.Scheme(), FieldOwner: v1alpha1.FieldManager})
	if err != nil {
		t.Fatal(err)
	}
	owner := fixture.Profile("owner", fixture.OnlyNetwork)
	if err := admin.Create(ctx, owner); err != nil {
		t.Fatal(err)
	}
	return &suite{ctx: ctx, admin: admin, owner: owner}
}

// check has the API server accept the profile, and store and return what is rendered of it.
func (s *suite) check(t reporter, profile *v1alpha1.SecurityProfile) {
	t.Helper()
	s.profiles++
	profile = profile.DeepCopy()
	if err := s.admin.Create(s.ctx, profile.DeepCopy(), client.DryRunAll); err != nil {
		t.Fatalf("the API server refuses the profile: %v\n%s", err, asYAML(profile))
	}
	profile.Name, profile.UID = s.owner.Name, s.owner.UID // The garbage collector leaves what a stored profile owns.
	before := profile.DeepCopy()
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "fixpoint-"}}
	if err := s.admin.Create(s.ctx, namespace); err != nil {
		t.Fatalf("creating a namespace: %v", err)
	}
	desired := baseline.Render(profile, namespace.Name)
	if diff := cmp.Diff(before, profile); diff != "" {
		t.Errorf("Render changed its input (-before +after):\n%s", diff)
	}
	if diff := cmp.Diff(desired, baseline.Render(profile, namespace.Name)); diff != "" {
		t.Errorf("Render is not deterministic:\n%s", diff)
	}
	var found []baseline.Object
	for _, want := range desired {
		s.objects++
		found = append(found, s.store(t, want))
	}
	for _, d := range drift.Compare(desired, found, drift.Ours) {
		t.Errorf("%s %s is not stored as rendered: %s %+v\n%s", d.Object.Kind, d.Object.Name, d.Change, d.Fields, asYAML(profile))
	}
}

// store writes an object and reads it back.
func (s *suite) store(t reporter, want baseline.Object) baseline.Object {
	t.Helper()
	var err error
	if object := want.DeepCopyObject().(client.Object); baseline.BelongsToNamespace(want) {
		kind := baseline.KindOf(want)
		object.GetObjectKind().SetGroupVersionKind(kind.GroupVersionKind)
		//nolint:staticcheck // The typed form of server-side apply is the operator's own; this one takes any object as it is.
		err = s.admin.Patch(s.ctx, object, client.Apply, client.ForceOwnership)
	} else {
		err = s.admin.Create(s.ctx, object)
	}
	if err != nil {
		t.Fatalf("storing %s %s: %v\n%s", baseline.KindOf(want).Kind, want.GetName(), err, asYAML(want))
	}
	got := baseline.KindOf(want).New()
	if err := s.admin.Get(s.ctx, client.ObjectKeyFromObject(want), got); err != nil {
		t.Fatalf("reading %s %s: %v", baseline.KindOf(want).Kind, want.GetName(), err)
	}
	return got
}

func asYAML(o any) string {
	data, err := yaml.Marshal(o)
	if err != nil {
		return err.Error()
	}
	return string(data)
}
