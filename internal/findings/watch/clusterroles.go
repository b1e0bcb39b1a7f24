package watch

import (
	"context"
	"fmt"

	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/bulwark-dev/bulwark/internal/findings"
	"github.com/bulwark-dev/bulwark/internal/grants"
	"github.com/bulwark-dev/bulwark/internal/printable"
)

// ClusterRoles watches all ClusterRoles, whatever their labels are, and whether or not findings are
// switched on: the bindings of profiles are judged by them.
type ClusterRoles struct {
	*group

	kept    *factStore[clusterRole]
	answers *bindAnswers
	clock   clock.PassiveClock
}

var _ source.TypedSyncingSource[reconcile.Request] = (*ClusterRoles)(nil)

// clusterRole is what is kept of a ClusterRole.
type clusterRole struct {
	powers  findings.Powers
	verdict grants.Verdict
}

func clusterRoleOf(role *rbacv1.ClusterRole) (clusterRole, bool) {
	powers, _ := findings.ClusterRoleOf(role)
	return clusterRole{powers: powers, verdict: grants.Judge(role)}, true
}

// NewClusterRoles makes the watch; a controller starts it. mayBind asks the API server, and
// concerns lists the namespaces that a change of a ClusterRole concerns.
func NewClusterRoles(
	c client.WithWatch, clock clock.PassiveClock, mayBind MayBind, concerns func(clusterRole string) []string,
) *ClusterRoles {
	r := &ClusterRoles{group: &group{name: "ClusterRoles"}, answers: newBindAnswers(mayBind), clock: clock}
	r.kept = watchFacts(&watcher{group: r.group, client: c, selector: labels.Everything()},
		&rbacv1.ClusterRoleList{}, clusterRoleOf)
	r.kept.quietStart = true
	r.kept.concerns = func(_, name string, _, _ *clusterRole) []string { return concerns(name) }
	return r
}

// Verdict is the verdict on the ClusterRole of that name; of one that is not there it is empty.
func (r *ClusterRoles) Verdict(name string) grants.Verdict {
	if role := r.kept.one("", name); role != nil {
		return role.verdict
	}
	return grants.Verdict{}
}

// CheckBinding is nil if the operator binds the role of a profile's RoleBinding, and otherwise the
// reason why it does not:
//
//	the role                           | may be bound by its name | bound
//	is a Role                          | is not asked             | yes
//	is a ClusterRole without forbidden | is not asked             | yes
//	rules                              |                          |
//	is any other ClusterRole, or is    | yes                      | yes
//	not there                          | no                       | no
//
// An administrator of the cluster grants the operator the verb bind on a ClusterRole by its name.
// It is not enough that the operator holds what the ClusterRole permits, since it holds what
// baselines consist of.
func (r *ClusterRoles) CheckBinding(ctx context.Context, binding *rbacv1.RoleBinding) error {
	name := binding.RoleRef.Name
	if binding.RoleRef.Kind != "ClusterRole" {
		return nil
	}
	role := r.kept.one("", name)
	if role != nil && role.verdict.Forbidden == "" {
		return nil
	}
	switch allowed, err := r.answers.allows(ctx, binding.Namespace, name, r.clock.Now()); {
	case err != nil:
		return err
	case allowed:
		return nil
	case role == nil:
		return apierrors.NewNotFound(rbacv1.Resource("clusterroles"), name)
	}
	return apierrors.NewForbidden(rbacv1.Resource("rolebindings"), binding.Name, fmt.Errorf(
		"ClusterRole %s permits what a profile must not grant, in a role of its own or by binding one: %s",
		printable.Name(name), role.verdict.Forbidden))
}

// powersBound maps the powers of the ClusterRoles that unmanaged bindings give in a namespace. It
// looks each up by name: otherwise each pass would visit all ClusterRoles of the cluster.
func (r *ClusterRoles) powersBound(bindings map[string]findings.Binding) map[string]findings.Powers {
	powers := map[string]findings.Powers{}
	for _, b := range bindings {
		if role := r.kept.one("", b.Role); b.RoleKind == "ClusterRole" && role != nil {
			powers[b.Role] = role.powers
		}
	}
	return powers
}
