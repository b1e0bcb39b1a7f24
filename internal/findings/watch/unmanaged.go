// Package watch watches objects that Bulwark does not manage and that may weaken a baseline. It
// knows which kinds these are, which facts of them are kept, and which namespaces a change of them
// concerns; and it knows which ClusterRoles a profile may bind.
//
// It may import what is pure, above all internal/findings and internal/grants, and clients. It must
// never write to a cluster, nor decide what is a finding: internal/findings judges the facts.
package watch

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/findings"
)

// Unmanaged watches unmanaged objects that may weaken a baseline. It keeps facts of them and not
// the objects, and nothing of a harmless one: its memory grows with what is wrong, and not with
// what tenants keep.
type Unmanaged struct {
	*group

	policies     *factStore[policyFacts]
	bindings     *factStore[findings.Binding]
	accounts     *factStore[findings.MountedToken]
	limits       *factStore[findings.LimitDefaults]
	quotas       *factStore[findings.Counts]
	roles        *factStore[findings.Powers]
	clusterRoles *ClusterRoles

	callers   []callerStore
	shortages []*factStore[findings.Shortage]
	attempts  *factStore[findings.Attempt]

	getOpensStreams bool
}

var _ source.TypedSyncingSource[reconcile.Request] = (*Unmanaged)(nil)

// NewUnmanaged makes the watches; a controller starts them. The ClusterRoles are watched already.
// getOpensStreams is what findings.GetOpensStreams says of the API server.
func NewUnmanaged(c client.WithWatch, clusterRoles *ClusterRoles, getOpensStreams bool) (*Unmanaged, error) {
	unlabelled, err := labels.NewRequirement(v1alpha1.ProfileLabel, selection.DoesNotExist, nil)
	if err != nil {
		return nil, fmt.Errorf("selecting unmanaged objects: %w", err)
	}
	u := &Unmanaged{
		group: &group{name: "unmanaged objects"}, clusterRoles: clusterRoles, getOpensStreams: getOpensStreams,
	}
	w := &watcher{group: u.group, client: c, selector: labels.NewSelector().Add(*unlabelled)}
	u.policies = watchFacts(w, &networkingv1.NetworkPolicyList{}, policyFactsOf)
	u.bindings = watchFacts(w, &rbacv1.RoleBindingList{}, findings.BindingOf)
	u.accounts = watchFacts(w, &corev1.ServiceAccountList{}, findings.AccountOf)
	u.limits = watchFacts(w, &corev1.LimitRangeList{}, findings.LimitsOf)
	u.quotas = watchFacts(w, &corev1.ResourceQuotaList{}, findings.CountsOf)
	u.roles = watchFacts(w, &rbacv1.RoleList{}, findings.RoleOf)
	u.watchCallers(w)
	u.watchShortages(w)
	return u, nil
}

// Facts are the facts of a namespace, as far as watches tell them.
func (u *Unmanaged) Facts(namespace string) *findings.Facts {
	all := u.policies.of(namespace)
	policies, gates := splitPolicyFacts(all)
	bindings := u.bindings.of(namespace)
	return &findings.Facts{
		Policies: policies, Bindings: bindings, Accounts: u.accounts.of(namespace),
		Limits: u.limits.of(namespace), Quotas: u.quotas.of(namespace),
		Roles: u.roles.of(namespace), ClusterRoles: u.clusterRoles.powersBound(bindings),
		Large: largePolicies(all),
		Gates: gates, Callers: u.callersInto(namespace),
		Shortages: u.shortagesOf(namespace), Attempts: u.attempts.of(namespace),
		GetOpensStreams: u.getOpensStreams,
	}
}

// NamespacesBinding lists the namespaces in which an unmanaged RoleBinding gives a ClusterRole.
func (u *Unmanaged) NamespacesBinding(clusterRole string) []string {
	return u.bindings.namespacesWith(func(b findings.Binding) bool {
		return b.RoleKind == "ClusterRole" && b.Role == clusterRole
	})
}
