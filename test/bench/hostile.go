package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
)

const (
	// hostileNamespaces is over how many namespaces hostile objects are spread.
	hostileNamespaces = 20
	// hostileText is how long each text in a hostile object is, and hostileTexts how many there
	// are: together nearly what the API server stores of one object.
	hostileText  = 240
	hostileTexts = 4000
	// emptyRules is how many rules a NetworkPolicy has that take two bytes each, and fifty once
	// they are decoded.
	emptyRules = 300_000
	// emptyPolicies is how many there are of them. The API server holds them, too.
	emptyPolicies = 9
	// hostileWorkers are how many hostile objects are under way at a time: the API server takes a
	// second for a large one.
	hostileWorkers = 8
)

// hostile measures what objects that bear Bulwark's label, and that no profile declares, take of
// the operator's memory. An Audit profile governs their namespaces, which never removes them.
func (b *bench) hostile(ctx context.Context) (err error) {
	if err := b.closeShared(); err != nil {
		return err
	}
	c, err := b.startCluster(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.stop()) }()
	enforced, audited := sevenObjects("hostile"), sevenObjects("audited")
	audited.Spec.Enforcement = v1alpha1.EnforcementAudit
	for _, profile := range []*v1alpha1.SecurityProfile{enforced, audited} {
		if err := c.admin.Create(ctx, profile); err != nil {
			return fmt.Errorf("creating profile %s: %w", profile.Name, err)
		}
	}
	tenants := &batch{name: audited.Name}
	if err := c.addTo(ctx, tenants, hostileNamespaces); err != nil {
		return err
	}
	if err := c.growTo(ctx, &batch{name: enforced.Name}, c.Scale[0]); err != nil {
		return err
	}
	before, err := c.hostileStep(ctx)
	if err != nil {
		return err
	}
	written, err := c.addHostile(ctx, tenants, audited)
	if err != nil {
		return err
	}
	if err := pause(ctx, settle); err != nil {
		return err
	}
	watched, _, err := c.operator.ResidentMemory()
	if err != nil {
		return err
	}
	after, err := c.hostileStep(ctx)
	if err != nil {
		return err
	}
	c.judgeHostile(before, after, float64(watched), written)
	return nil
}

// hostileStep is the median of several restarts.
func (c *cluster) hostileStep(ctx context.Context) (*restart, error) {
	var residents, peaks, verified []float64
	for i := range c.Restarts {
		r, err := c.restart(ctx)
		if err != nil {
			return nil, err
		}
		c.say("  restart %d of %d: verified in %s s, %s MiB, at most %s MiB; API server %s MiB", i+1, c.Restarts,
			number(r.verified), number(r.resident/mebibyte), number(r.peak/mebibyte), number(r.apiServer/mebibyte))
		residents, peaks, verified = append(residents, r.resident), append(peaks, r.peak), append(verified, r.verified)
	}
	return &restart{resident: median(residents), peak: median(peaks), verified: median(verified)}, nil
}

func (c *cluster) judgeHostile(before, after *restart, watched, written float64) {
	c.results.figure(information("hostile objects, written", written/mebibyte, "MiB").because(
		"%s MiB resident without them, at most %s at start", number(before.resident/mebibyte), number(before.peak/mebibyte)))
	for _, f := range []struct {
		when       string
		with, than float64
	}{
		{"while they are written", watched, before.resident},
		{"at rest after a restart", after.resident, before.resident},
		{"at most at start", after.peak, before.peak},
	} {
		c.results.figure(figure{Name: "hostile objects, memory " + f.when + " over without", Value: f.with / f.than}.
			must(atMost, 1.2, 1.05).because("%s MiB", number(f.with/mebibyte)))
	}
	c.results.figure(information("hostile objects, restart to verified over without", after.verified/before.verified, ""))
}

// addHostile writes objects of each kind in turn, under names that no profile declares and, once in
// each namespace, under those that one does. It returns how many bytes they are.
func (c *cluster) addHostile(ctx context.Context, tenants *batch, profile *v1alpha1.SecurityProfile) (float64, error) {
	const each = hostileText * hostileTexts
	count := max(1, c.Hostile*mebibyte/each)
	c.say("  creating %d hostile objects (usually %d s)", count, count/10+1)
	p := c.progress()
	err := parallel(ctx, hostileWorkers, count, func(ctx context.Context, i int) error {
		p.at("created %d of %d", i, count)
		name := fmt.Sprintf("hoard-%d", i)
		if i < len(tenants.namespaces) {
			name = v1alpha1.NamePrefix + "default-deny"
		}
		o := hostileObject(i, metav1.ObjectMeta{
			Namespace: tenants.namespaces[i%len(tenants.namespaces)], Name: name,
			Labels: map[string]string{v1alpha1.ManagedByLabel: v1alpha1.ManagedBy, v1alpha1.ProfileLabel: profile.Name},
		})
		return c.admin.Create(ctx, o)
	})
	if err != nil {
		return 0, fmt.Errorf("creating hostile objects: %w", err)
	}
	for i := range emptyPolicies {
		policy := &networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{
			Namespace: tenants.namespaces[0],
			Name:      fmt.Sprintf("empty-%d", i),
			Labels:    map[string]string{v1alpha1.ProfileLabel: profile.Name},
		}}
		policy.Spec.Ingress = make([]networkingv1.NetworkPolicyIngressRule, emptyRules)
		if err := c.admin.Create(ctx, policy); err != nil {
			return 0, fmt.Errorf("creating a NetworkPolicy of empty rules: %w", err)
		}
	}
	return float64(count*each + emptyPolicies*emptyRules*2), c.quiet(ctx)
}

// hostileObject is one of many texts, in the way of its kind.
func hostileObject(i int, meta metav1.ObjectMeta) client.Object {
	texts := make([]string, hostileTexts)
	for t := range texts {
		head := fmt.Sprintf("%d-%d-", i, t)
		texts[t] = head + strings.Repeat("x", hostileText-len(head))
	}
	if meta.Name != "" && strings.HasPrefix(meta.Name, v1alpha1.NamePrefix) {
		i = 0 // The name is that of a NetworkPolicy.
	}
	switch i % 4 {
	case 0:
		policy := &networkingv1.NetworkPolicy{ObjectMeta: meta}
		for _, text := range texts {
			policy.Spec.Ingress = append(
				policy.Spec.Ingress,
				networkingv1.NetworkPolicyIngressRule{From: []networkingv1.NetworkPolicyPeer{
					{
						PodSelector: &metav1.LabelSelector{
							MatchLabels: map[string]string{text[:hostileText/2] + ".example.com/" + text[:60]: text[:60]},
						},
					},
				}},
			)
		}
		return policy
	case 1:
		return &rbacv1.Role{ObjectMeta: meta, Rules: []rbacv1.PolicyRule{{
			Verbs: []string{"get"}, APIGroups: []string{""}, Resources: []string{"pods"}, ResourceNames: texts,
		}}}
	case 2:
		binding := &rbacv1.RoleBinding{
			ObjectMeta: meta,
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "view"},
		}
		for _, text := range texts {
			binding.Subjects = append(binding.Subjects, rbacv1.Subject{APIGroup: rbacv1.GroupName, Kind: "User", Name: text})
		}
		return binding
	default:
		account := &corev1.ServiceAccount{ObjectMeta: meta}
		for _, text := range texts {
			account.ImagePullSecrets = append(account.ImagePullSecrets, corev1.LocalObjectReference{Name: text})
		}
		return account
	}
}
