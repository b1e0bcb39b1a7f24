package fixpoint

import (
	"context"
	"flag"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"pgregory.net/rapid"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/internal/drift"
	"github.com/bulwark-dev/bulwark/test/framework/fixture"
	"github.com/bulwark-dev/bulwark/test/framework/testbed"
)

// generatedProfiles is how many profiles are generated. A failure tells the seed, and -rapid.seed
// replays it.
const generatedProfiles = 500

// TestWhatIsRenderedIsWhatIsStored applies the rendered objects of profiles and reads them back,
// and compares what they default with what the API server defaults.
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
		t.Run("sample "+samples[i].Name, func(t *testing.T) { s.check(t, manifest(&samples[i])) })
	}
	t.Run("generated", func(t *testing.T) {
		for name, value := range map[string]string{"rapid.checks": fmt.Sprint(generatedProfiles), "rapid.nofailfile": "true"} {
			if err := flag.Set(name, value); err != nil {
				t.Fatal(err)
			}
		}
		rapid.Check(t, func(t *rapid.T) { s.check(t, respelt(t, manifest(profiles().Draw(t, "profile")))) })
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
	cluster := testbed.Installed(t)
	ctx, admin := cluster.Context, client.WithFieldOwner(cluster.Admin, v1alpha1.FieldManager)
	owner := fixture.Profile("owner", fixture.OnlyNetwork)
	if err := admin.Create(ctx, owner); err != nil {
		t.Fatal(err)
	}
	return &suite{ctx: ctx, admin: admin, owner: owner}
}

// check has the API server accept the profile, and store and return what is rendered of it.
func (s *suite) check(t reporter, profile *unstructured.Unstructured) {
	t.Helper()
	s.profiles++
	given := fixture.AsYAML(profile)
	if err := s.admin.Create(s.ctx, profile, client.DryRunAll, client.FieldValidation("Strict")); err != nil {
		t.Fatalf("the API server refuses the profile: %v\n%s", err, given)
	}
	read := &v1alpha1.SecurityProfile{}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(profile.Object, read); err != nil {
		t.Fatalf("what the API server would store cannot be read: %v\n%s", err, given)
	}
	read.Name, read.UID = s.owner.Name, s.owner.UID // The garbage collector leaves what a stored profile owns.

	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "fixpoint-"}}
	if err := s.admin.Create(s.ctx, namespace); err != nil {
		t.Fatalf("creating a namespace: %v", err)
	}
	before := read.DeepCopy()
	desired := baseline.Render(read, namespace.Name)
	if diff := cmp.Diff(before, read); diff != "" {
		t.Errorf("Render changed its input (-before +after):\n%s\n%s", diff, given)
	}
	if diff := cmp.Diff(desired, baseline.Render(read, namespace.Name)); diff != "" {
		t.Errorf("Render is not deterministic:\n%s\n%s", diff, given)
	}
	s.checkDefaults(t, read, desired, given)
	var found []baseline.Object
	for _, want := range desired {
		s.objects++
		got, err := s.store(want)
		if err != nil {
			t.Fatalf("%v\nrendered:\n%s\nof the profile:\n%s", err, fixture.AsYAML(want), given)
		}
		found = append(found, got)
	}
	for _, d := range drift.Compare(desired, found, drift.Ours) {
		t.Errorf("%s %s is not stored as rendered: %s %+v\n%s", d.Object.Kind, d.Object.Name, d.Change, d.Fields, given)
	}
}

// store writes an object and reads it back.
func (s *suite) store(want baseline.Object) (baseline.Object, error) {
	kind := baseline.KindOf(want)
	var err error
	if object := want.DeepCopyObject().(client.Object); baseline.BelongsToNamespace(want) {
		object.GetObjectKind().SetGroupVersionKind(kind.GroupVersionKind)
		//nolint:staticcheck // The typed form of server-side apply is the operator's own; this one takes any object as it is.
		err = s.admin.Patch(s.ctx, object, client.Apply, client.ForceOwnership)
	} else {
		err = s.admin.Create(s.ctx, object)
	}
	if err != nil {
		return nil, fmt.Errorf("storing %s %s: %w", kind.Kind, want.GetName(), err)
	}
	got := kind.New()
	if err := s.admin.Get(s.ctx, client.ObjectKeyFromObject(want), got); err != nil {
		return nil, fmt.Errorf("reading %s %s: %w", kind.Kind, want.GetName(), err)
	}
	return got, nil
}
