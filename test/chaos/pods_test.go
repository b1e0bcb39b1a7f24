package chaos

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/test/framework/choose"
	"github.com/bulwark-dev/bulwark/test/framework/fixture"
)

// createPod creates a pod that some Pod Security level or admission policy refuses, or none, and
// that may be too large for a LimitRange. Nothing runs it: it stands for one that does.
func (w *world) createPod(r *rand.Rand) (bool, error) {
	name, found := pick(r, w.model.namespaces)
	w.foreigners++
	pod := choose.OneOf(
		r,
		fixture.RestrictedPod,
		fixture.RestrictedPod,
		fixture.PrivilegedPod,
	)(
		name,
		fmt.Sprintf("pod-%d", w.foreigners),
	)
	if maybe(r, 0.3) {
		pod.Spec.SecurityContext.RunAsNonRoot = nil
	}
	if maybe(r, 0.5) {
		pod.Spec.Containers[0].Resources.Limits = amount("cpu", 1+r.IntN(4))
	}
	if maybe(r, 0.4) {
		harden(pod)
	}
	if !found {
		return true, nil
	}
	return w.create(pod, func() {})
}

// createInhabited creates a namespace in which pods run that most baselines refuse, before any
// profile can select it.
func (w *world) createInhabited(r *rand.Rand) (bool, error) {
	w.occupied++
	name := fmt.Sprintf("%sinh-%d", w.model.prefix, w.occupied)
	tier := choose.OneOf(r, "a", "b")
	ns := namespace(name, "none")
	if _, err := w.create(ns, func() {}); err != nil {
		return false, err
	}
	if err := w.awaitDefaultAccount(name); err != nil {
		return false, err
	}
	for i := range 3 {
		pod := fixture.PrivilegedPod(name, fmt.Sprintf("old-%d", i))
		pod.Spec.Containers[0].Resources.Limits = amount("cpu", 1+r.IntN(8))
		if _, err := w.create(pod, func() {}); err != nil {
			return false, err
		}
	}
	w.model.namespaces[name] = tier
	return false, w.update(ns, func() { w.model.labelled(ns.UID, tier); ns.Labels[tierLabel] = tier })
}

// awaitDefaultAccount waits for the ServiceAccount without which no pod is let in.
func (w *world) awaitDefaultAccount(namespace string) error {
	account := &corev1.ServiceAccount{ObjectMeta: objectMeta(namespace, "default")}
	ctx, cancel := context.WithTimeout(w.ctx, patience)
	defer cancel()
	for {
		err := w.insist(func() error { return w.admin.Get(w.ctx, client.ObjectKeyFromObject(account), account) })
		if !apierrors.IsNotFound(err) {
			return err
		}
		if err := pause(ctx, 50*time.Millisecond); err != nil {
			return err
		}
	}
}

func (w *world) deletePods(r *rand.Rand) (bool, error) {
	name, found := pick(r, w.model.namespaces)
	if !found {
		return true, nil
	}
	return false, w.insist(func() error {
		err := w.admin.DeleteAllOf(w.ctx, &corev1.Pod{}, client.InNamespace(name), client.GracePeriodSeconds(0))
		return client.IgnoreNotFound(err)
	})
}

// fight sets a field back as often as the operator corrects it, for a while.
func (w *world) fight(r *rand.Rand) (bool, error) {
	name, found := pick(r, w.model.namespaces)
	if !found {
		return true, nil
	}
	policy := &networkingv1.NetworkPolicy{ObjectMeta: objectMeta(name, "bulwark-default-deny")}
	if _, foreign := w.model.foreign[key(policy)]; foreign {
		return true, nil
	}
	for range 8 {
		err := w.insist(func() error {
			if err := w.admin.Get(w.ctx, client.ObjectKeyFromObject(policy), policy); err != nil {
				return err
			}
			loosen(policy)
			return w.admin.Update(w.ctx, policy, client.FieldOwner("chaos-rival"))
		})
		if apierrors.IsNotFound(err) || isRefused(err) {
			return true, nil
		}
		if err != nil {
			return false, err
		}
		if err := pause(w.ctx, 100*time.Millisecond); err != nil {
			return false, err
		}
	}
	return false, nil
}
