package posturetest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
)

// lookAgain is how soon Govern looks again.
const lookAgain = 50 * time.Millisecond

// Govern waits until the baseline of a profile is in place in a namespace, and the API server
// enforces the profile's rules. It applies the profile first, and makes the namespace with the
// labels that the profile selects by, unless it is there already: then it leaves its labels alone.
//
// It gives up once it cannot succeed, or takes too long, or the context ends. The error says what
// stands in the way: why the profile does not govern the namespace, which objects are not as they
// are declared and why, what the API server refused.
func (o *Operator) Govern(ctx context.Context, namespace string, profile *v1alpha1.SecurityProfile) error {
	if err := o.declare(ctx, profile); err != nil {
		return err
	}
	if err := o.provide(ctx, namespace, profile); err != nil {
		return err
	}
	if err := o.awaitReadiness(ctx, namespace, profile.Name); err != nil {
		return err
	}
	return o.awaitRules(ctx, namespace, profile.Name)
}

// errBusy is that somebody else is at the profile: it is being deleted, or was made or changed just
// now.
var errBusy = errors.New("the former profile of that name is still being deleted")

// declare applies a profile: its spec, and whatever else it says if it is new. One of that name
// that is being deleted has to be gone before.
func (o *Operator) declare(ctx context.Context, profile *v1alpha1.SecurityProfile) error {
	var last error
	err := wait.PollUntilContextTimeout(ctx, lookAgain, inProgress, true, func(ctx context.Context) (bool, error) {
		if err := o.ended(); err != nil {
			return false, err
		}
		last = o.tryToDeclare(ctx, profile)
		if errors.Is(last, errBusy) || apierrors.IsConflict(last) || apierrors.IsAlreadyExists(last) {
			return false, nil
		}
		return true, last
	})
	if err != nil && last != nil {
		err = last // It says more than that the time is over.
	}
	if err != nil {
		return fmt.Errorf("applying SecurityProfile %s: %w", profile.Name, err)
	}
	return nil
}

func (o *Operator) tryToDeclare(ctx context.Context, profile *v1alpha1.SecurityProfile) error {
	live := &v1alpha1.SecurityProfile{}
	err := o.Client.Get(ctx, client.ObjectKey{Name: profile.Name}, live)
	switch {
	case apierrors.IsNotFound(err):
		made := profile.DeepCopy()
		made.ResourceVersion = ""
		return o.Client.Create(ctx, made)
	case err != nil:
		return err
	case !live.DeletionTimestamp.IsZero():
		return errBusy
	}
	live.Spec = *profile.Spec.DeepCopy()
	return o.Client.Update(ctx, live)
}

// provide makes a namespace that a profile selects, unless it is there.
func (o *Operator) provide(ctx context.Context, namespace string, profile *v1alpha1.SecurityProfile) error {
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		Name: namespace, Labels: maps.Clone(profile.Spec.NamespaceSelector.MatchLabels),
	}}
	if err := client.IgnoreAlreadyExists(o.Client.Create(ctx, ns)); err != nil {
		return fmt.Errorf("making namespace %s: %w", namespace, err)
	}
	return nil
}

// awaitReadiness waits until no obstacle is left, for as long as the most obstinate one says.
func (o *Operator) awaitReadiness(ctx context.Context, namespace, profile string) error {
	var patience time.Duration
	var since time.Time
	for {
		if err := o.ended(); err != nil {
			return fmt.Errorf("namespace %s is not governed by SecurityProfile %s: %w", namespace, profile, err)
		}
		left, err := o.look(ctx, namespace, profile)
		if err != nil {
			return err
		}
		if len(left) == 0 {
			return nil
		}
		if shortest := shortest(left); since.IsZero() || shortest != patience {
			patience, since = shortest, time.Now()
		}
		waited := time.Since(since)
		if waited < patience {
			select {
			case <-time.After(lookAgain):
				continue
			case <-ctx.Done():
			}
		}
		return fmt.Errorf("namespace %s is not as SecurityProfile %s declares:%s", namespace, profile, listed(left))
	}
}

// look reads the cluster, and is what stands between a namespace and the baseline of a profile.
func (o *Operator) look(ctx context.Context, namespace, name string) ([]obstacle, error) {
	posture, err := o.Posture(ctx, namespace)
	if err != nil {
		return nil, err
	}
	var profiles v1alpha1.SecurityProfileList
	if err := o.Client.List(ctx, &profiles); err != nil {
		return nil, fmt.Errorf("listing SecurityProfiles: %w", err)
	}
	for i := range profiles.Items {
		if profile := &profiles.Items[i]; profile.Name == name {
			if unselected := toGoverning(profile, profiles.Items, posture.Namespace); len(unselected) > 0 {
				return unselected, nil
			}
			return posture.toReadiness(profile), nil
		}
	}
	return obstacles(needsHelp, "the profile is gone"), nil
}
