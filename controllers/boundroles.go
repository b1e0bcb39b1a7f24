package controllers

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/internal/drift"
	"github.com/bulwark-dev/bulwark/internal/findings"
	"github.com/bulwark-dev/bulwark/internal/grants"
	"github.com/bulwark-dev/bulwark/internal/printable"
)

// clusterRole is what is kept of a ClusterRole.
type clusterRole struct {
	powers findings.Powers
	// forbidden says what it permits that a profile must not grant, and unexpected what of that it
	// does not have from Kubernetes.
	forbidden, unexpected string
}

// maxPermits bounds what is kept of what a ClusterRole permits.
const maxPermits = 256

func clusterRoleOf(role *rbacv1.ClusterRole) (clusterRole, bool) {
	powers, _ := findings.ClusterRoleOf(role)
	forbidden := grants.Forbidden(role.Rules)
	return clusterRole{
		powers:     powers,
		forbidden:  printable.Cut(grants.Words(forbidden), maxPermits),
		unexpected: printable.Cut(grants.Words(grants.Unexpected(role.Name, forbidden)), maxPermits),
	}, true
}

// newClusterRoles watches all ClusterRoles, whatever they are labelled, and whether or not findings
// are looked for: a binding of a profile is judged by them.
func newClusterRoles(c client.WithWatch) *foreign {
	f := &foreign{}
	w := &foreignWatcher{foreign: f, client: c, selector: labels.Everything()}
	f.clusterRoles = watchFacts(w, &rbacv1.ClusterRoleList{}, clusterRoleOf)
	f.clusterRoles.quietStart = true
	return f
}

// powersBound are the powers of the ClusterRoles that somebody's bindings give in a namespace. They
// are looked up by name: each pass would go through all ClusterRoles of the cluster else.
func (f *foreign) powersBound(bindings map[string]findings.Binding) map[string]findings.Powers {
	powers := map[string]findings.Powers{}
	for _, b := range bindings {
		if role := f.clusterRoles.one("", b.Role); b.RoleKind == "ClusterRole" && role != nil {
			powers[b.Role] = role.powers
		}
	}
	return powers
}

// namespacesUsing are the namespaces that a change of a ClusterRole concerns: those of the profiles
// that bind it, and those in which somebody else does.
func (r *NamespaceReconciler) namespacesUsing(role string) []string {
	ctx := context.Background() // It reads memory only.
	var namespaces []string
	if r.foreign != nil {
		namespaces = r.foreign.namespacesBinding(role)
	}
	var profiles v1alpha1.SecurityProfileList
	if err := r.Client.List(ctx, &profiles, client.UnsafeDisableDeepCopy, client.DisableReadYourWritesConsistency); err != nil {
		logf.Log.Error(err, "Listing SecurityProfiles that bind a ClusterRole", "clusterRole", role)
		return namespaces
	}
	for i := range profiles.Items {
		if binds(&profiles.Items[i], role) {
			namespaces = append(namespaces, r.touchedBy(ctx, &profiles.Items[i])...)
		}
	}
	slices.Sort(namespaces)
	return slices.Compact(namespaces)
}

func binds(profile *v1alpha1.SecurityProfile, role string) bool {
	return profile.Spec.RBAC != nil && slices.ContainsFunc(profile.Spec.RBAC.Bindings, func(b v1alpha1.ClusterRoleBinding) bool {
		return b.ClusterRole == role
	})
}

// refusedBinding is why the operator does not bind a ClusterRole; nil if it does. Whoever
// administers the cluster may let it bind a ClusterRole by name. To hold all that the ClusterRole
// permits is not enough: the operator holds what baselines consist of.
func (r *NamespaceReconciler) refusedBinding(ctx context.Context, binding *rbacv1.RoleBinding) error {
	name := binding.RoleRef.Name
	if binding.RoleRef.Kind != "ClusterRole" {
		return nil
	}
	role := r.clusterRoles.clusterRoles.one("", name)
	if role != nil && role.forbidden == "" {
		return nil
	}
	switch allowed, err := r.grants.allows(ctx, binding.Namespace, name, r.Clock.Now()); {
	case err != nil:
		return err
	case allowed:
		return nil
	case role == nil:
		return apierrors.NewNotFound(rbacv1.Resource("clusterroles"), name)
	}
	return apierrors.NewForbidden(rbacv1.Resource("rolebindings"), binding.Name, fmt.Errorf(
		"ClusterRole %s permits what a profile must not grant, in a role of its own or by binding one: %s",
		printable.Name(name), role.forbidden))
}

// bind makes a declared RoleBinding what is declared, unless it must not be bound. Then nobody is
// given anything new by it, and what is given already stays.
func (r *NamespaceReconciler) bind(ctx context.Context, p *pass, o *drift.Outcome) (baseline.Object, error) {
	d := o.Drift
	refusal := r.refusedBinding(ctx, d.Want.(*rbacv1.RoleBinding))
	got, exists := d.Got.(*rbacv1.RoleBinding)
	switch {
	case refusal == nil:
		return r.write(ctx, p, o)
	case !exists:
		return nil, refusal
	case d.Replaces() && !d.Foreign && !d.Terminates() && r.refusedBinding(ctx, got) != nil:
		return nil, errors.Join(refusal, client.IgnoreNotFound(r.deleteObject(ctx, got)))
	case d.Replaces():
		return nil, r.outlive(ctx, o, refusal)
	}
	narrowed := narrowed(d.Want.(*rbacv1.RoleBinding), got)
	if len(narrowed.Subjects) == len(d.Want.(*rbacv1.RoleBinding).Subjects) {
		return r.overwrite(ctx, d)
	}
	if len(drift.Differences(narrowed, got)) == 0 {
		return nil, refusal
	}
	_, err := r.overwrite(ctx, drift.Drift{Object: d.Object, Change: d.Change, Want: narrowed, Got: got})
	return nil, errors.Join(refusal, err)
}

// narrowed is a declared RoleBinding with those of its subjects that the one that is there has.
func narrowed(want, got *rbacv1.RoleBinding) *rbacv1.RoleBinding {
	narrowed := want.DeepCopy()
	narrowed.Subjects = slices.DeleteFunc(narrowed.Subjects, func(s rbacv1.Subject) bool {
		return !slices.Contains(got.Subjects, s)
	})
	return narrowed
}

// boundRoles are the ClusterRoles that bindings of the profile give here, and that permit what a
// profile must not grant.
func (r *NamespaceReconciler) boundRoles(desired []baseline.Object, outcomes []drift.Outcome) map[string]findings.BoundRole {
	bound := map[string]findings.BoundRole{}
	for _, o := range desired {
		binding, ok := o.(*rbacv1.RoleBinding)
		if !ok || binding.RoleRef.Kind != "ClusterRole" || !gives(binding, outcomes) {
			continue
		}
		name := binding.RoleRef.Name
		if role := r.clusterRoles.clusterRoles.one("", name); role != nil && role.unexpected != "" {
			bound[name] = findings.BoundRole{Permits: role.unexpected, Bindings: append(bound[name].Bindings, binding.Name)}
		}
	}
	return bound
}

// gives reports whether a declared RoleBinding gives its role after the pass. Under Audit it is one
// that would.
func gives(binding *rbacv1.RoleBinding, outcomes []drift.Outcome) bool {
	i := slices.IndexFunc(outcomes, func(o drift.Outcome) bool { return o.Object == baseline.Reference(binding) })
	if i < 0 || outcomes[i].State == v1alpha1.Corrected {
		return true
	}
	o := outcomes[i]
	if o.State == v1alpha1.Conflict {
		return false
	}
	got, exists := o.Got.(*rbacv1.RoleBinding)
	return o.Err == nil || exists && got.RoleRef == binding.RoleRef
}

// grantsHold is how long the API server's answer on what may be bound holds.
const grantsHold = 30 * time.Second

// grantedBinds remembers which ClusterRoles the operator may bind by name: only those are asked for
// that permit what a profile must not grant.
type grantedBinds struct {
	ask func(ctx context.Context, namespace, clusterRole string) (bool, error)

	mu       sync.Mutex
	answered map[string]grantedBind
}

// grantedBind is an answer for all namespaces.
type grantedBind struct {
	allowed bool
	at      time.Time
}

func newGrantedBinds(ask func(ctx context.Context, namespace, clusterRole string) (bool, error)) *grantedBinds {
	return &grantedBinds{ask: ask, answered: map[string]grantedBind{}}
}

// allows reports whether the operator may bind a ClusterRole in all namespaces, or else in this
// one.
func (g *grantedBinds) allows(ctx context.Context, namespace, clusterRole string, now time.Time) (bool, error) {
	everywhere, known := g.last(clusterRole, now)
	if !known {
		var err error
		if everywhere, err = g.ask(ctx, "", clusterRole); err != nil {
			return false, err
		}
		g.note(clusterRole, grantedBind{everywhere, now})
	}
	if everywhere {
		return true, nil
	}
	return g.ask(ctx, namespace, clusterRole)
}

func (g *grantedBinds) last(clusterRole string, now time.Time) (allowed, known bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	last, asked := g.answered[clusterRole]
	return last.allowed, asked && !now.Before(last.at) && now.Sub(last.at) < grantsHold
}

func (g *grantedBinds) note(clusterRole string, answer grantedBind) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for name, old := range g.answered { // What nobody has asked for since is of no use any more.
		if answer.at.Sub(old.at) >= grantsHold {
			delete(g.answered, name)
		}
	}
	g.answered[clusterRole] = answer
}
