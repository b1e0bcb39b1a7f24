package upgrade

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
)

// guard is something that protects subjects (namespaces, or parts of them) by objects of one kind.
// A subject is protected while at least one object protects it. Events of one watch come in the
// order in which the API server stored them, so that no instant is left out.
type guard struct {
	name string
	list client.ObjectList
	// protects is the subject that an object protects, and whether it does as it is.
	protects func(client.Object) (subject string, holds bool)

	mu      sync.Mutex
	objects map[string]map[string]bool // of a subject: which objects protect it
	open    map[string]gap             // of a subject: its present gap
	gaps    []gap
	deletes int
	ended   bool
}

// gap is a time in which a subject was not protected.
type gap struct {
	subject, step string
	from          time.Time
	lasted        time.Duration
}

func guards() []*guard {
	seen := map[string]corev1.ResourceQuotaSpec{} // Quotas as they were at first.
	return []*guard{
		{name: "default-deny NetworkPolicy", list: &networkingv1.NetworkPolicyList{}, protects: deniesByDefault},
		{name: "Pod Security level", list: &corev1.NamespaceList{}, protects: hasLevel},
		{name: "ResourceQuota", list: &corev1.ResourceQuotaList{}, protects: func(o client.Object) (string, bool) {
			key, spec := named(o), o.(*corev1.ResourceQuota).Spec
			if first, known := seen[key]; known {
				return key, reflect.DeepEqual(spec, first)
			}
			seen[key] = spec
			return key, true
		}},
		{name: "LimitRange", list: &corev1.LimitRangeList{}, protects: isThere},
		{name: "Role", list: &rbacv1.RoleList{}, protects: isThere},
		{name: "RoleBinding", list: &rbacv1.RoleBindingList{}, protects: isThere},
		{name: "ServiceAccount", list: &corev1.ServiceAccountList{}, protects: isThere},
		{
			name: "ValidatingAdmissionPolicy", list: &admissionregistrationv1.ValidatingAdmissionPolicyList{},
			protects: isThere,
		},
		{
			name: "binding that denies", list: &admissionregistrationv1.ValidatingAdmissionPolicyBindingList{},
			protects: func(o client.Object) (string, bool) {
				spec := o.(*admissionregistrationv1.ValidatingAdmissionPolicyBinding).Spec
				return spec.PolicyName, slices.Contains(spec.ValidationActions, admissionregistrationv1.Deny)
			},
		},
	}
}

func named(o client.Object) string { return o.GetNamespace() + "/" + o.GetName() }

// isThere is that of objects of Bulwark's of which one is as good as none.
func isThere(o client.Object) (string, bool) {
	return named(o), o.GetLabels()[v1alpha1.ProfileLabel] != "" && o.GetDeletionTimestamp() == nil
}

func deniesByDefault(o client.Object) (string, bool) {
	spec := o.(*networkingv1.NetworkPolicy).Spec
	everyPod := len(spec.PodSelector.MatchLabels) == 0 && len(spec.PodSelector.MatchExpressions) == 0
	return o.GetNamespace(), everyPod && len(spec.Ingress) == 0 && len(spec.Egress) == 0 &&
		slices.Contains(spec.PolicyTypes, networkingv1.PolicyTypeIngress) &&
		slices.Contains(spec.PolicyTypes, networkingv1.PolicyTypeEgress)
}

func hasLevel(o client.Object) (string, bool) {
	return o.GetName(), slices.Contains([]string{"baseline", "restricted"},
		o.GetLabels()[v1alpha1.PodSecurityPrefix+"enforce"])
}

// begin lists what there is, and watches from there on. Whoever is protected now must be so until
// the end.
func (g *guard) begin(ctx context.Context, c client.WithWatch, step func() string) error {
	g.objects, g.open = map[string]map[string]bool{}, map[string]gap{}
	list := g.list.DeepCopyObject().(client.ObjectList)
	if err := c.List(ctx, list); err != nil {
		return fmt.Errorf("listing for %s: %w", g.name, err)
	}
	err := meta.EachListItem(list, func(o runtime.Object) error {
		if subject, holds := g.protects(o.(client.Object)); holds {
			g.of(subject)[named(o.(client.Object))] = true
		}
		return nil
	})
	if err != nil {
		return err
	}
	from := &client.ListOptions{Raw: &metav1.ListOptions{ResourceVersion: list.GetResourceVersion()}}
	watching, err := c.Watch(ctx, g.list.DeepCopyObject().(client.ObjectList), from)
	if err != nil {
		return fmt.Errorf("watching for %s: %w", g.name, err)
	}
	go func() {
		for event := range watching.ResultChan() {
			g.hear(event, step())
		}
		g.mu.Lock()
		defer g.mu.Unlock()
		g.ended = ctx.Err() == nil
	}()
	return nil
}

func (g *guard) of(subject string) map[string]bool {
	if g.objects[subject] == nil {
		g.objects[subject] = map[string]bool{}
	}
	return g.objects[subject]
}

func (g *guard) hear(event watch.Event, step string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	o, isObject := event.Object.(client.Object)
	if !isObject {
		g.ended = true
		return
	}
	subject, holds := g.protects(o)
	protecting, guarded := g.objects[subject]
	if !guarded {
		return // It was not protected at the beginning.
	}
	delete(protecting, named(o))
	if event.Type == watch.Deleted {
		g.deletes++
	} else if holds {
		protecting[named(o)] = true
	}
	unguarded, isOpen := g.open[subject]
	switch {
	case len(protecting) == 0 && !isOpen:
		g.open[subject] = gap{subject: subject, step: step, from: time.Now()}
	case len(protecting) > 0 && isOpen:
		unguarded.lasted = time.Since(unguarded.from)
		g.gaps = append(g.gaps, unguarded)
		delete(g.open, subject)
	}
}

// outcome is how many subjects there are, and when they were not protected, the longest first.
func (g *guard) outcome() (subjects, deletes int, gaps []gap, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	gaps = slices.Clone(g.gaps)
	for _, unguarded := range g.open {
		unguarded.lasted = time.Since(unguarded.from)
		gaps = append(gaps, unguarded)
	}
	slices.SortFunc(gaps, func(a, b gap) int { return int(b.lasted - a.lasted) })
	if g.ended {
		err = fmt.Errorf("the watch for %s ended before its time", g.name)
	}
	return len(g.objects), g.deletes, gaps, err
}
