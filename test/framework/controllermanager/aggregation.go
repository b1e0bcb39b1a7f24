package controllermanager

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// aggregation writes the rules of ClusterRoles that aggregate others.
type aggregation struct{ client.Client }

// Reconcile writes those of one, if they are not what they have to be. A role that it aggregates
// may aggregate itself: once that is written, this is reconciled again.
func (a *aggregation) Reconcile(ctx context.Context, role *rbacv1.ClusterRole) (reconcile.Result, error) {
	if role.AggregationRule == nil {
		return reconcile.Result{}, nil
	}
	rules, err := a.rules(ctx, role)
	if err != nil || equality.Semantic.DeepEqual(rules, role.Rules) {
		return reconcile.Result{}, err
	}
	role.Rules = rules
	if err := a.Update(ctx, role); err != nil {
		return reconcile.Result{}, fmt.Errorf("aggregating ClusterRole %s: %w", role.Name, err)
	}
	return reconcile.Result{}, nil
}

// rules are those of the selected ClusterRoles, each once, by selector and name.
func (a *aggregation) rules(ctx context.Context, role *rbacv1.ClusterRole) ([]rbacv1.PolicyRule, error) {
	var rules []rbacv1.PolicyRule
	for i := range role.AggregationRule.ClusterRoleSelectors {
		selector, err := metav1.LabelSelectorAsSelector(&role.AggregationRule.ClusterRoleSelectors[i])
		if err != nil {
			return nil, reconcile.TerminalError(fmt.Errorf("aggregating ClusterRole %s: %w", role.Name, err))
		}
		var selected rbacv1.ClusterRoleList
		if err := a.List(ctx, &selected, client.MatchingLabelsSelector{Selector: selector}); err != nil {
			return nil, fmt.Errorf("listing ClusterRoles: %w", err)
		}
		slices.SortFunc(selected.Items, func(x, y rbacv1.ClusterRole) int { return cmp.Compare(x.Name, y.Name) })
		for j := range selected.Items {
			if selected.Items[j].Name == role.Name {
				continue
			}
			rules = union(rules, selected.Items[j].Rules)
		}
	}
	return rules, nil
}

// union adds rules to others, but for those that are among them.
func union(rules, more []rbacv1.PolicyRule) []rbacv1.PolicyRule {
	for _, rule := range more {
		known := func(other rbacv1.PolicyRule) bool { return equality.Semantic.DeepEqual(other, rule) }
		if !slices.ContainsFunc(rules, known) {
			rules = append(rules, rule)
		}
	}
	return rules
}
