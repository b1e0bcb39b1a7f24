package chaos

import (
	"fmt"
	"math/rand/v2"
	"slices"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/test/framework/choose"
)

// operation is one thing that somebody does to the cluster, legal or hostile. Skipped is true if
// there was nothing to do it to.
type operation struct {
	name   string
	weight int
	do     func(*world, *rand.Rand) (skipped bool, err error)
}

var operations = []operation{
	{"create a profile", 12, (*world).createProfile},
	{"edit a profile", 9, (*world).editProfile},
	{"change a profile's priority", 6, (*world).changePriority},
	{"delete a profile", 2, (*world).deleteProfile},
	{"create a namespace", 10, (*world).createNamespace},
	{"create an occupied namespace", 2, (*world).createOccupied},
	{"create an inhabited namespace", 3, (*world).createInhabited},
	{"label a namespace", 9, (*world).labelNamespace},
	{"flap the label of a namespace", 4, (*world).flapLabel},
	{"delete a namespace", 2, (*world).deleteNamespace},
	{"create a foreign object", 6, (*world).createForeign},
	{"fill the quota of reports", 2, (*world).fillReportQuota},
	{"tamper with an object", 45, (*world).tamperWithObject},
	{"tamper with a namespace's labels", 5, (*world).tamperWithLabels},
	{"tamper with the default service account", 3, (*world).tamperWithDefaultAccount},
	{"tamper with a report", 5, (*world).tamperWithReport},
	{"forge an object", 4, (*world).forge},
	{"create a pod", 14, (*world).createPod},
	{"delete the pods of a namespace", 2, (*world).deletePods},
	{"fight over an object", 3, (*world).fight},
}

// everyOperation is what is drawn from.
var everyOperation = slices.Concat(operations, policyOperations, platformOperations)

func (o operation) chance() int { return o.weight }

// weighted draws by weight.
func weighted[T interface{ chance() int }](r *rand.Rand, from []T) T {
	total := 0
	for _, o := range from {
		total += o.chance()
	}
	n := r.IntN(total)
	for _, o := range from {
		if n -= o.chance(); n < 0 {
			return o
		}
	}
	panic("the weights add up to more than their sum")
}

var profileNames = []string{"p0", "p1", "p2", "p3-adopts", "p4-adopts"}

func (w *world) createProfile(r *rand.Rand) (bool, error) {
	name := w.model.prefix + choose.OneOf(r, profileNames...)
	profile := &v1alpha1.SecurityProfile{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: randomSpec(r, name)}
	if _, exists := w.model.profiles[name]; exists {
		return true, nil
	}
	w.model.declared(profile.DeepCopy()) // Before the operator can hear of it.
	return w.create(profile, func() { delete(w.model.profiles, name) })
}

func (w *world) editProfile(r *rand.Rand) (bool, error) {
	name, found := pick(r, w.model.profiles)
	spec := randomSpec(r, name)
	if !found {
		return true, nil
	}
	return w.changeProfile(name, func(p *v1alpha1.SecurityProfile) { p.Spec = spec })
}

func (w *world) changePriority(r *rand.Rand) (bool, error) {
	name, found := pick(r, w.model.profiles)
	priority := r.Int32N(4)
	if !found {
		return true, nil
	}
	return w.changeProfile(name, func(p *v1alpha1.SecurityProfile) { p.Spec.Priority = priority })
}

func (w *world) changeProfile(name string, change func(*v1alpha1.SecurityProfile)) (bool, error) {
	changed := w.model.profiles[name].DeepCopy()
	change(changed)
	w.model.declared(changed)
	profile := &v1alpha1.SecurityProfile{ObjectMeta: metav1.ObjectMeta{Name: name}}
	return false, w.update(profile, func() { w.model.notePolicyDrifts(profile); change(profile) })
}

func (w *world) deleteProfile(r *rand.Rand) (bool, error) {
	name, found := pick(r, w.model.profiles)
	if !found {
		return true, nil
	}
	delete(w.model.profiles, name)
	return false, w.delete(&v1alpha1.SecurityProfile{ObjectMeta: metav1.ObjectMeta{Name: name}})
}

func (w *world) createNamespace(r *rand.Rand) (bool, error) {
	name := fmt.Sprintf("%sn%d", w.model.prefix, r.IntN(10))
	tier := choose.OneOf(r, "a", "a", "b", "b", "none")
	if _, exists := w.model.namespaces[name]; exists {
		return true, nil
	}
	ns := namespace(name, tier)
	skipped, err := w.create(ns, func() {})
	if err == nil && !skipped {
		w.model.namespaces[name] = tier
		w.model.labelled(ns.UID, tier)
	}
	return skipped, err
}

// createOccupied creates a namespace in which an object of another maker bears a managed name
// before any profile can select it.
func (w *world) createOccupied(r *rand.Rand) (bool, error) {
	w.occupied++
	name := fmt.Sprintf("%socc-%d", w.model.prefix, w.occupied)
	occupant := w.occupant(r, name)
	ns := namespace(name, "none")
	if _, err := w.create(ns, func() {}); err != nil {
		return false, err
	}
	if _, err := w.create(occupant, func() {}); err != nil {
		return false, err
	}
	w.model.namespaces[name] = "none"
	w.model.foreign[key(occupant)] = foreignObject{Object: occupant, namespaceUID: ns.UID, occupies: true}
	return false, nil
}

func (w *world) occupant(r *rand.Rand, namespace string) client.Object {
	meta := metav1.ObjectMeta{Namespace: namespace}
	switch r.IntN(3) {
	case 0:
		meta.Name = "bulwark-default-deny"
		return &networkingv1.NetworkPolicy{ObjectMeta: meta, Spec: networkingv1.NetworkPolicySpec{
			PolicyTypes: []networkingv1.PolicyType{"Ingress"}, Ingress: []networkingv1.NetworkPolicyIngressRule{{}},
		}}
	case 1:
		meta.Name = "bulwark-developer"
		return &rbacv1.Role{
			ObjectMeta: meta,
			Rules:      []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"secrets"}, Verbs: []string{"get"}}},
		}
	default:
		meta.Name = "bulwark-limits"
		return &corev1.LimitRange{ObjectMeta: meta, Spec: corev1.LimitRangeSpec{
			Limits: []corev1.LimitRangeItem{{Type: corev1.LimitTypeContainer, Max: amount("cpu", 64)}},
		}}
	}
}

func (w *world) labelNamespace(r *rand.Rand) (bool, error) {
	name, found := pick(r, w.model.namespaces)
	tier := choose.OneOf(r, "a", "a", "b", "b", "none")
	if !found {
		return true, nil
	}
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
	if err := w.update(ns, func() { w.model.labelled(ns.UID, tier); ns.Labels[tierLabel] = tier }); err != nil {
		return false, err
	}
	w.model.namespaces[name] = tier
	return false, nil
}

// flapLabel gives a namespace another tier, or none, and the one that it had back at once.
func (w *world) flapLabel(r *rand.Rand) (bool, error) {
	name, found := pick(r, w.model.namespaces)
	away := choose.OneOf(r, "none", "none", "a", "b")
	if !found {
		return true, nil
	}
	for _, tier := range []string{away, w.model.namespaces[name]} {
		ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
		if err := w.update(ns, func() { w.model.labelled(ns.UID, tier); ns.Labels[tierLabel] = tier }); err != nil {
			return false, err
		}
	}
	return false, nil
}

func (w *world) deleteNamespace(r *rand.Rand) (bool, error) {
	name, found := pick(r, w.model.namespaces)
	if !found {
		return true, nil
	}
	w.forgetNamespace(name)
	return false, w.endNamespace(name)
}

// forgetNamespace tells the model that a namespace goes, with all that is in it.
func (w *world) forgetNamespace(name string) {
	delete(w.model.namespaces, name)
	for id, o := range w.model.foreign {
		if o.GetNamespace() == name {
			delete(w.model.foreign, id)
		}
	}
}

// endNamespace deletes a namespace. Whoever holds objects in it by a finalizer then lets them go,
// as controllers do.
func (w *world) endNamespace(name string) error {
	if err := w.delete(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}); err != nil {
		return err
	}
	for i := range baseline.NamespacedKinds {
		objects, err := w.listed(&baseline.NamespacedKinds[i], client.InNamespace(name))
		if err != nil {
			return err
		}
		for _, o := range objects {
			if len(o.GetFinalizers()) == 0 {
				continue
			}
			if _, err := w.tamper(o.(client.Object), func(o client.Object) { o.SetFinalizers(nil) }); err != nil {
				return err
			}
		}
	}
	return nil
}

func (w *world) createForeign(r *rand.Rand) (bool, error) {
	name, found := pick(r, w.model.namespaces)
	w.foreigners++
	meta := metav1.ObjectMeta{Namespace: name, Name: fmt.Sprintf("tenant-%d", w.foreigners)}
	object := choose.OneOf[client.Object](
		r,
		&networkingv1.NetworkPolicy{
			ObjectMeta: meta,
			Spec:       networkingv1.NetworkPolicySpec{PolicyTypes: []networkingv1.PolicyType{"Ingress"}},
		},
		&networkingv1.NetworkPolicy{ObjectMeta: meta, Spec: networkingv1.NetworkPolicySpec{
			PolicyTypes: []networkingv1.PolicyType{"Ingress", "Egress"},
			Ingress: []networkingv1.NetworkPolicyIngressRule{
				{From: []networkingv1.NetworkPolicyPeer{{NamespaceSelector: &metav1.LabelSelector{}}}},
			},
			Egress: []networkingv1.NetworkPolicyEgressRule{{}},
		}},
		&corev1.LimitRange{
			ObjectMeta: meta,
			Spec: corev1.LimitRangeSpec{
				Limits: []corev1.LimitRangeItem{{Type: corev1.LimitTypeContainer, Default: amount("cpu", 99)}},
			},
		},
		&corev1.ServiceAccount{ObjectMeta: meta},
		&corev1.ConfigMap{ObjectMeta: meta},
		&rbacv1.Role{
			ObjectMeta: meta,
			Rules:      []rbacv1.PolicyRule{{APIGroups: []string{"*"}, Resources: []string{"*"}, Verbs: []string{"*"}}},
		},
		&rbacv1.RoleBinding{
			ObjectMeta: meta,
			RoleRef: rbacv1.RoleRef{
				APIGroup: rbacv1.GroupName,
				Kind:     "ClusterRole",
				Name:     choose.OneOf(r, "cluster-admin", "view", "edit"),
			},
			Subjects: []rbacv1.Subject{
				{APIGroup: rbacv1.GroupName, Kind: "Group", Name: choose.OneOf(r, "on-call", "outsiders", "system:authenticated")},
			},
		},
	)
	if !found {
		return true, nil
	}
	skipped, err := w.create(object, func() {})
	if err == nil && !skipped {
		w.model.foreign[key(object)] = foreignObject{Object: object}
	}
	return skipped, err
}

// fillReportQuota lets a namespace have no report beyond those it has. The quota goes when the
// faults stop.
func (w *world) fillReportQuota(r *rand.Rand) (bool, error) {
	name, found := pick(r, w.model.namespaces)
	if !found {
		return true, nil
	}
	return w.create(&corev1.ResourceQuota{
		ObjectMeta: metav1.ObjectMeta{Namespace: name, Name: reportQuota},
		Spec: corev1.ResourceQuotaSpec{Hard: corev1.ResourceList{
			corev1.ResourceName("count/namespacepostures." + v1alpha1.GroupVersion.Group): resource.MustParse("0"),
		}},
	}, func() {})
}

const reportQuota = "no-reports"

func namespace(name, tier string) *corev1.Namespace {
	return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{tierLabel: tier}}}
}

// pick draws a key of a map, in the same way for the same map.
func pick[V any](r *rand.Rand, from map[string]V) (string, bool) {
	n := r.IntN(1 << 20)
	if len(from) == 0 {
		return "", false
	}
	var keys []string
	for k := range from {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys[n%len(keys)], true
}

func key(o client.Object) string { return fmt.Sprintf("%T %s/%s", o, o.GetNamespace(), o.GetName()) }
