package main

import (
	"context"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// foreignKinds is of how many kinds foreign objects are.
const foreignKinds = 3

// addForeign makes the objects that others keep in the namespaces of the batch: as many of each of
// three kinds.
func (c *cluster) addForeign(ctx context.Context, b *batch, count int) error {
	c.say("  creating %d foreign ConfigMaps, Secrets and NetworkPolicies, of each (usually %d s)", count, 3*count/1000+1)
	p := c.progress()
	payload := strings.Repeat("x", 256)
	err := parallel(ctx, workers, count, func(ctx context.Context, i int) error {
		p.at("created %d of %d of each", i, count)
		meta := metav1.ObjectMeta{Namespace: b.namespaces[i%len(b.namespaces)], Name: fmt.Sprintf("foreign-%d", i)}
		core := c.clients.CoreV1()
		configMap := &corev1.ConfigMap{ObjectMeta: meta, Data: map[string]string{"data": payload}}
		if _, err := core.ConfigMaps(meta.Namespace).Create(ctx, configMap, metav1.CreateOptions{}); err != nil {
			return err
		}
		secret := &corev1.Secret{ObjectMeta: meta, StringData: map[string]string{"data": payload}}
		if _, err := core.Secrets(meta.Namespace).Create(ctx, secret, metav1.CreateOptions{}); err != nil {
			return err
		}
		policy := &networkingv1.NetworkPolicy{ObjectMeta: meta, Spec: networkingv1.NetworkPolicySpec{
			PodSelector: metav1.LabelSelector{MatchLabels: map[string]string{"app": meta.Name}},
			PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeIngress},
		}}
		_, err := c.clients.NetworkingV1().NetworkPolicies(meta.Namespace).Create(ctx, policy, metav1.CreateOptions{})
		return err
	})
	if err != nil {
		return fmt.Errorf("creating foreign objects: %w", err)
	}
	return c.quiet(ctx)
}
