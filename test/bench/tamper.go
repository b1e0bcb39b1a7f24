package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
)

const (
	// contestedPolicy is what is tampered with.
	contestedPolicy = v1alpha1.NamePrefix + "default-deny"
	loosening       = `{"spec":{"policyTypes":["Ingress"]}}`
	// tamperingsEach is how often the same object is tampered with: a third time would be a
	// contest, whose correction waits.
	tamperingsEach = 2
	// patience is how long a correction is waited for.
	patience = 30 * time.Second
)

// strict reports whether a default-deny is as it should be.
func strict(policy *networkingv1.NetworkPolicy) bool {
	both := []networkingv1.PolicyType{networkingv1.PolicyTypeIngress, networkingv1.PolicyTypeEgress}
	return equality.Semantic.DeepEqual(policy.Spec.PolicyTypes, both)
}

// tampering is one that was corrected: when it was asked for, and when its effect and the
// correction were seen.
type tampering struct {
	asked, loose, corrected time.Time
}

// exposed is how long the baseline was seen loose. The watch sees the tampering and its correction
// alike, so that the watch's own delay is in neither the operator's time nor the floor's.
func (t tampering) exposed() time.Duration { return t.corrected.Sub(t.loose) }

// observer sees each change of a default-deny, and when it does.
type observer struct {
	watch   watch.Interface
	clients kubernetes.Interface
	ended   chan struct{}

	mu      sync.Mutex
	awaited map[string]*sighting // by namespace
}

// sighting is what is seen of one tampering.
type sighting struct {
	loose     time.Time      // zero if it has not been seen yet
	corrected chan time.Time // is given one
}

// observe watches as the administrator.
func (c *cluster) observe(ctx context.Context) (*observer, error) {
	w, err := watchPolicies(ctx, c.clients, metav1.ListOptions{FieldSelector: "metadata.name=" + contestedPolicy})
	if err != nil {
		return nil, err
	}
	o := &observer{watch: w, clients: c.clients, ended: make(chan struct{}), awaited: map[string]*sighting{}}
	go o.follow()
	return o, nil
}

// watchPolicies watches changes from now on.
func watchPolicies(
	ctx context.Context,
	clients kubernetes.Interface,
	options metav1.ListOptions,
) (watch.Interface, error) {
	policies := clients.NetworkingV1().NetworkPolicies("")
	list, err := policies.List(ctx, options)
	if err != nil {
		return nil, fmt.Errorf("listing NetworkPolicies: %w", err)
	}
	options.ResourceVersion = list.ResourceVersion
	w, err := policies.Watch(ctx, options)
	if err != nil {
		return nil, fmt.Errorf("watching NetworkPolicies: %w", err)
	}
	return w, nil
}

func (o *observer) follow() {
	defer close(o.ended)
	for e := range o.watch.ResultChan() {
		at := time.Now()
		if policy, ok := e.Object.(*networkingv1.NetworkPolicy); ok && e.Type == watch.Modified {
			o.see(policy.Namespace, strict(policy), at)
		}
	}
}

// see takes note of a change in a namespace in which a correction is awaited.
func (o *observer) see(namespace string, strict bool, at time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	s := o.awaited[namespace]
	switch {
	case s == nil:
	case !strict && s.loose.IsZero():
		s.loose = at
	case strict && !s.loose.IsZero():
		delete(o.awaited, namespace)
		s.corrected <- at
	}
}

// await is the sighting of the next tampering in a namespace.
func (o *observer) await(namespace string) (*sighting, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.awaited[namespace] != nil {
		return nil, fmt.Errorf("a correction in namespace %s is awaited already", namespace)
	}
	s := &sighting{corrected: make(chan time.Time, 1)}
	o.awaited[namespace] = s
	return s, nil
}

func (o *observer) forget(namespace string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.awaited, namespace)
}

// tamper loosens the default-deny of a namespace and waits for the correction. It may be called for
// several namespaces at once.
func (o *observer) tamper(ctx context.Context, namespace string) (tampering, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	s, err := o.await(namespace)
	if err != nil {
		return tampering{}, err
	}
	defer o.forget(namespace)
	asked := time.Now()
	_, err = o.clients.NetworkingV1().NetworkPolicies(namespace).Patch(
		ctx, contestedPolicy, types.MergePatchType, []byte(loosening), metav1.PatchOptions{})
	if err != nil {
		return tampering{}, fmt.Errorf("tampering in namespace %s: %w", namespace, err)
	}
	select {
	case at := <-s.corrected:
		return tampering{asked: asked, loose: s.loose, corrected: at}, nil
	case <-o.ended:
		return tampering{}, errors.New("the watch on NetworkPolicies has ended")
	case <-ctx.Done():
		return tampering{}, fmt.Errorf("waiting for the correction in namespace %s: %w", namespace, ctx.Err())
	}
}

func (o *observer) stop() { o.watch.Stop() }

// left is how many tamperings the namespaces stand, so that nothing is ever contested.
func (s *standing) left() int { return tamperingsEach*len(s.namespaces) - s.next }

// target is the next namespace to tamper in.
func (s *standing) target() (string, bool) {
	if s.left() <= 0 {
		return "", false
	}
	s.next++
	return s.namespaces[(s.next-1)%len(s.namespaces)], true
}
