package policies

import (
	"context"
	"fmt"
	"slices"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/admission"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/internal/clusteraccess/inventory"
	"github.com/bulwark-dev/bulwark/internal/drift"
)

// reader reads the policies and bindings of profiles.
type reader struct {
	client     client.Client // reads from the cache, which holds what bears a profile's name
	live       client.Reader
	unlabelled *unlabelled
}

// gather is what bears the profile's name, what has the name of something desired, and what has
// been stripped of the profile's name. The last two the cache does not hold: they are read from the
// API server, the stripped ones where some are known of, or all that there may be.
func (r *reader) gather(
	ctx context.Context, profile string, desired []baseline.Object, all bool,
) ([]baseline.Object, error) {
	if err := r.sweep(ctx); err != nil {
		return nil, err
	}
	objects, err := r.labelled(ctx, profile)
	if err != nil {
		return nil, err
	}
	wanted := map[v1alpha1.ObjectReference]bool{}
	for _, o := range desired {
		wanted[baseline.Reference(o)] = true
	}
	for _, o := range r.unheld(profile, objects) {
		want := wanted[baseline.Reference(o)]
		if !want && !all && !r.unlabelled.has(o) {
			continue
		}
		got, err := r.readUnlabelled(ctx, o)
		if err != nil {
			return nil, err
		}
		if got != nil && (want || marked(got)) {
			objects = append(objects, got)
		}
	}
	return objects, nil
}

// readUnlabelled reads what the cache does not hold. If it is gone, or nobody's, it is not looked
// for again.
func (r *reader) readUnlabelled(ctx context.Context, o baseline.Object) (baseline.Object, error) {
	got, err := r.read(ctx, o)
	if err == nil && (got == nil || !marked(got)) {
		r.unlabelled.drop(o)
	}
	return got, err
}

// marked reports whether anything on an object with one of our names says that it was ours. Whoever
// tampers with it again and again leaves the name of some profile at the least, or nothing.
func marked(o baseline.Object) bool {
	return baseline.IsLabelled(o) || drift.Ours(o)
}

// unheld are those of a profile's policies and bindings, by name, that the cache does not hold.
func (r *reader) unheld(profile string, labelled []baseline.Object) []baseline.Object {
	held := map[v1alpha1.ObjectReference]bool{}
	for _, o := range labelled {
		held[baseline.Reference(o)] = true
		r.unlabelled.drop(o)
	}
	named := append(admission.Named(profile), r.unlabelled.heldBy(profile)...)
	return slices.DeleteFunc(named, func(o baseline.Object) bool { return held[baseline.Reference(o)] })
}

// sweep looks once for what was stripped of its profile's name, or given another's, before the
// cache began to watch, and for what the cache has not heard of yet.
func (r *reader) sweep(ctx context.Context) error {
	if r.unlabelled.isSwept() {
		return nil
	}
	for i := range baseline.ClusterKinds {
		list, err := inventory.NewList(r.client.Scheme(), &baseline.ClusterKinds[i])
		if err != nil {
			return err
		}
		if err := r.live.List(ctx, list); err != nil {
			return fmt.Errorf("listing %s: %w", baseline.ClusterKinds[i].Resource, err)
		}
		items, err := inventory.Items(list)
		if err != nil {
			return err
		}
		for _, o := range items {
			if !marked(o) {
				continue
			}
			held, err := r.holds(ctx, o)
			if err != nil {
				return err
			}
			if !held || isMisnamed(o) {
				r.unlabelled.add(o)
			}
		}
	}
	r.unlabelled.setSwept()
	return nil
}

// holds reports whether the cache holds the object, whoever's name it bears there.
func (r *reader) holds(ctx context.Context, o baseline.Object) (bool, error) {
	held := baseline.KindOf(o).New()
	err := r.client.Get(ctx, client.ObjectKeyFromObject(o), held, client.DisableReadYourWritesConsistency)
	if client.IgnoreNotFound(err) != nil {
		return false, fmt.Errorf("reading %s: %w", baseline.Describe(o), err)
	}
	return err == nil, nil
}

// isMisnamed reports whether an object bears the name of a profile that may not declare it.
func isMisnamed(o baseline.Object) bool {
	return !admission.IsNamed(o.GetLabels()[v1alpha1.ProfileLabel], o.GetName())
}

// unlabelled are the policies and bindings that the cache does not hold for their profile: each is
// gone, or stripped of its profile's name, or bears another's, or was made a moment ago.
type unlabelled struct {
	mu    sync.Mutex
	refs  map[v1alpha1.ObjectReference]bool
	swept bool // it has been looked for those of before the cache began to watch
}

func newUnlabelled() *unlabelled { return &unlabelled{refs: map[v1alpha1.ObjectReference]bool{}} }

func (u *unlabelled) isSwept() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.swept
}

func (u *unlabelled) setSwept() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.swept = true
}

func (u *unlabelled) add(o baseline.Object) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.refs[baseline.Reference(o)] = true
}

func (u *unlabelled) drop(o baseline.Object) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.refs, baseline.Reference(o))
}

// heldBy are those of a profile that the rules for pods are named after which were in force before:
// their names are not known otherwise.
func (u *unlabelled) heldBy(profile string) []baseline.Object {
	u.mu.Lock()
	defer u.mu.Unlock()
	var objects []baseline.Object
	for ref := range u.refs {
		if !admission.IsHeld(profile, ref.Name) {
			continue
		}
		for i := range baseline.ClusterKinds {
			if kind := &baseline.ClusterKinds[i]; kind.Kind == ref.Kind {
				o := kind.New()
				o.SetName(ref.Name)
				objects = append(objects, o)
			}
		}
	}
	return objects
}

func (u *unlabelled) has(o baseline.Object) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.refs[baseline.Reference(o)]
}

// labelled lists the policies and bindings that bear the profile's name. They are shared with the
// cache.
func (r *reader) labelled(ctx context.Context, profile string) ([]baseline.Object, error) {
	var objects []baseline.Object
	for i := range baseline.ClusterKinds {
		kind := &baseline.ClusterKinds[i]
		list, err := inventory.NewList(r.client.Scheme(), kind)
		if err != nil {
			return nil, err
		}
		// It does not wait for our own last writes: of one that somebody strips at once the cache
		// never hears.
		err = r.client.List(ctx, list, client.MatchingLabels{v1alpha1.ProfileLabel: profile},
			client.UnsafeDisableDeepCopy, client.DisableReadYourWritesConsistency)
		if err != nil {
			return nil, fmt.Errorf("listing %s of profile %s: %w", kind.Resource, profile, err)
		}
		items, err := inventory.Items(list)
		if err != nil {
			return nil, err
		}
		objects = append(objects, items...)
	}
	return objects, nil
}

// read is the object of this kind and name by the API server, or nil.
func (r *reader) read(ctx context.Context, want baseline.Object) (baseline.Object, error) {
	got := baseline.KindOf(want).New()
	switch err := r.live.Get(ctx, client.ObjectKeyFromObject(want), got); {
	case apierrors.IsNotFound(err):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("reading %s: %w", baseline.Describe(want), err)
	}
	return got, nil
}
