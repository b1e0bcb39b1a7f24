package main

import (
	"context"
	"errors"
	"fmt"
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
	// patience is how long a correction is waited for.
	patience = 30 * time.Second
)

// strict reports whether a default-deny is as it should be.
func strict(policy *networkingv1.NetworkPolicy) bool {
	both := []networkingv1.PolicyType{networkingv1.PolicyTypeIngress, networkingv1.PolicyTypeEgress}
	return equality.Semantic.DeepEqual(policy.Spec.PolicyTypes, both)
}

// observer sees each change of a default-deny, and when it does.
type observer struct {
	seen    chan observation
	watch   watch.Interface
	clients kubernetes.Interface
}

type observation struct {
	namespace string
	strict    bool
	at        time.Time
}

// observe watches as the administrator. The watch sees the tampering and its correction alike, so that its own delay is in
// neither the operator's time nor the floor's.
func (c *cluster) observe(ctx context.Context) (*observer, error) {
	w, err := watchPolicies(ctx, c.clients, metav1.ListOptions{FieldSelector: "metadata.name=" + contestedPolicy})
	if err != nil {
		return nil, err
	}
	o := &observer{seen: make(chan observation, 10000), watch: w, clients: c.clients}
	go o.follow()
	return o, nil
}

// watchPolicies watches changes from now on.
func watchPolicies(ctx context.Context, clients kubernetes.Interface, options metav1.ListOptions) (watch.Interface, error) {
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
	defer close(o.seen)
	for e := range o.watch.ResultChan() {
		at := time.Now()
		if policy, ok := e.Object.(*networkingv1.NetworkPolicy); ok && e.Type == watch.Modified {
			o.seen <- observation{namespace: policy.Namespace, strict: strict(policy), at: at}
		}
	}
}

// tamper loosens the default-deny of a namespace, and returns how long it was seen loose.
func (o *observer) tamper(ctx context.Context, namespace string) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	_, err := o.clients.NetworkingV1().NetworkPolicies(namespace).Patch(
		ctx, contestedPolicy, types.MergePatchType, []byte(loosening), metav1.PatchOptions{})
	if err != nil {
		return 0, fmt.Errorf("tampering in namespace %s: %w", namespace, err)
	}
	var loose time.Time
	for {
		select {
		case <-ctx.Done():
			return 0, fmt.Errorf("waiting for the correction in namespace %s: %w", namespace, ctx.Err())
		case seen, open := <-o.seen:
			switch {
			case !open:
				return 0, errors.New("the watch on NetworkPolicies has ended")
			case seen.namespace != namespace:
			case !seen.strict:
				loose = seen.at
			case !loose.IsZero():
				return seen.at.Sub(loose), nil
			}
		}
	}
}

func (o *observer) stop() { o.watch.Stop() }

// target is the next namespace to tamper in. None is taken more than twice, so that nothing is ever contested.
func (s *standing) target() (string, bool) {
	if s.next >= 2*len(s.namespaces) {
		return "", false
	}
	s.next++
	return s.namespaces[(s.next-1)%len(s.namespaces)], true
}
