package chaos

import (
	"slices"
	"strings"
	"testing"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/internal/drift"
	"github.com/bulwark-dev/bulwark/test/framework/fixture"
)

// probe is what somebody attempts in a namespace, as a dry run, who may do everything by RBAC and
// is in no break-glass group.
type probe struct {
	what    string
	attempt func(client.Client) error
	// refused are the words of which the API server says some if it must refuse the attempt; empty
	// if no policy may.
	refused []string
}

// byOthers are the words of which the API server may say some instead, where it refuses an attempt
// before it comes to policies.
var byOthers = []string{"usage per Container", "usage per Pod", "violates PodSecurity", "exceeded quota"}

// byPolicies are the words of refusals by any policy of ours.
var byPolicies = []string{" of SecurityProfile ", "-pods-wait-for-"}

// probeAll holds that in each namespace the API server refuses what the profile that governs there
// says, and nothing beyond that: not what others say that select it too, and in no namespace that
// nobody governs.
func (w *world) probeAll(t *testing.T) {
	t.Helper()
	conflicted, stray := w.outOfForce(t)
	if stray != "" {
		t.Logf("what is refused is not examined, since %s is left, which does not say any more whose it is", stray)
		return
	}
	refused, admitted, governed, guarded := 0, 0, 0, 0
	for name, tier := range w.model.namespaces {
		if selecting := w.model.selecting(name, tier); len(selecting) > 0 {
			if conflicted[selecting[0].Name] {
				continue // It cannot be told what is refused.
			}
			governed++
			if refusesTampering(selecting[0]) {
				guarded++
			}
		}
		probes, err := w.probesOf(name, tier, conflicted)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range probes {
			w.hold(t, p, name)
			if len(p.refused) == 0 {
				admitted++
			} else {
				refused++
			}
		}
	}
	t.Logf(
		"in %d namespaces, of which %d are governed without a conflict and %d guarded against tampering, %d attempts were refused by policies, and %d were not",
		len(w.model.namespaces),
		governed,
		guarded,
		refused,
		admitted,
	)
}

// hold holds that an attempt in a namespace is refused if it must be, and by no policy if not.
func (w *world) hold(t *testing.T, p probe, namespace string) {
	t.Helper()
	err := w.tryOnce(t, p)
	said := func(words []string) bool {
		return slices.ContainsFunc(words, func(s string) bool { return err != nil && strings.Contains(err.Error(), s) })
	}
	switch {
	case len(p.refused) == 0 && said(byPolicies):
		t.Errorf("to %s in namespace %s is refused, and no profile says so: %v", p.what, namespace, err)
	case len(p.refused) > 0 && (!isRefused(err) || !said(slices.Concat(p.refused, byOthers))):
		t.Errorf("to %s in namespace %s must be refused in words of %q: %v", p.what, namespace, p.refused, err)
	}
}

// tryOnce makes an attempt. Some while after each of its starts the API server does not know the
// kinds of CRDs, and refuses what the policy matches that reads reports.
func (w *world) tryOnce(t *testing.T, p probe) error {
	t.Helper()
	for began := time.Now(); ; {
		err := w.insist(func() error { return p.attempt(client.NewDryRunClient(w.root)) })
		if err == nil || !strings.Contains(err.Error(), "failed to find resource referenced by paramKind") ||
			time.Since(began) > time.Minute {
			return err
		}
		if err := pause(w.ctx, time.Second); err != nil {
			t.Fatal(err)
		}
	}
}

// outOfForce are the profiles of which policies are another maker's, and a policy that was stripped
// of all that says whose it is and is bound, if there is one: it may refuse something to this day.
func (w *world) outOfForce(t *testing.T) (conflicted map[string]bool, stray string) {
	t.Helper()
	c := w.newCheck()
	err := c.read()
	if err == nil {
		err = c.checkPolicies()
	}
	if err != nil {
		t.Fatal(err)
	}
	for id := range w.model.strippedPolicies {
		policy, ok := c.policies[id].(*admissionregistrationv1.ValidatingAdmissionPolicy)
		if !ok || drift.Ours(policy) {
			continue
		}
		binding := &admissionregistrationv1.ValidatingAdmissionPolicyBinding{ObjectMeta: objectMeta("", policy.Name)}
		if c.policies[key(binding)] != nil && !strings.Contains(id, forgedName) {
			stray = id
		}
	}
	return c.conflicted, stray
}

func (w *world) probesOf(name, tier string, conflicted map[string]bool) ([]probe, error) {
	var profile *v1alpha1.SecurityProfile
	if selecting := w.model.selecting(name, tier); len(selecting) > 0 {
		profile = selecting[0]
	}
	inForce, err := w.inForce(name, profile)
	if err != nil {
		return nil, err
	}
	probes := w.podProbes(name, profile, inForce)
	if hasGate(profile) {
		report := &v1alpha1.NamespacePosture{}
		err := w.insist(func() error {
			return w.admin.Get(w.ctx, client.ObjectKey{Namespace: name, Name: v1alpha1.PostureName}, report)
		})
		if err != nil {
			return nil, err
		}
		for i := range probes {
			if !report.IsReady() && strings.Contains(probes[i].what, "pod") {
				probes[i].refused = append(probes[i].refused, v1alpha1.NamePrefix+profile.Name+"-pods-wait-for-")
			}
		}
	}
	tampering, err := w.tamperProbes(name, profile)
	if err != nil {
		return nil, err
	}
	forging, err := w.forgingProbes(name, profile, conflicted)
	return slices.Concat(probes, w.networkProbes(name, profile), tampering, forging), err
}

// words are how policies of a section of the profile refuse, if they do.
func words(profile *v1alpha1.SecurityProfile, section string, refuses bool) []string {
	if profile == nil || !refuses {
		return nil
	}
	return []string{"(" + section + " of SecurityProfile " + profile.Name + ")"}
}

func (w *world) creation(o client.Object) func(client.Client) error {
	return func(c client.Client) error { return c.Create(w.ctx, o.DeepCopyObject().(client.Object)) }
}

// podProbes create a pod that breaks what it can without breaking Pod Security, one that breaks
// nothing, and a Service. In force may be other rules for pods than the profile declares.
func (w *world) podProbes(name string, profile, inForce *v1alpha1.SecurityProfile) []probe {
	plain, hardened := fixture.RestrictedPod(name, "probe-plain"), fixture.RestrictedPod(name, "probe-hardened")
	plain.Spec.AutomountServiceAccountToken = ptr.To(true)
	harden(hardened)
	service := &corev1.Service{ObjectMeta: objectMeta(name, "probe"), Spec: corev1.ServiceSpec{
		Type: corev1.ServiceTypeNodePort, Ports: []corev1.ServicePort{{Port: 80}},
	}}
	var refused []string
	nodePort := false
	if profile != nil {
		refused = append(
			words(profile, "spec.workloads", refusesPlain(inForce)),
			words(profile, "spec.images", refusesUnpinned(inForce))...)
		nodePort = refusesNodePort(profile)
	}
	return []probe{
		{"create a plain pod", w.creation(plain), refused},
		{"create a hardened pod", w.creation(hardened), nil},
		{"create a Service that takes a port of each node", w.creation(service), words(profile, "spec.workloads", nodePort)},
	}
}

// harden makes a restricted pod keep every rule that a profile may have.
func harden(pod *corev1.Pod) {
	pod.Spec.AutomountServiceAccountToken = ptr.To(false)
	c := &pod.Spec.Containers[0]
	c.Image = pinned
	if c.SecurityContext.Privileged == nil {
		c.SecurityContext.ReadOnlyRootFilesystem = ptr.To(true)
	}
	if c.Resources.Limits == nil {
		c.Resources.Limits = corev1.ResourceList{}
	}
	c.Resources.Limits[corev1.ResourceMemory] = resource.MustParse("64Mi")
}

func (w *world) networkProbes(name string, profile *v1alpha1.SecurityProfile) []probe {
	policy := func(rules ...networkingv1.NetworkPolicyIngressRule) client.Object {
		return &networkingv1.NetworkPolicy{ObjectMeta: objectMeta(name, "tenant-probe"), Spec: networkingv1.NetworkPolicySpec{
			PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeIngress}, Ingress: rules,
		}}
	}
	const section = "spec.network.tenantPolicies"
	return []probe{
		{
			"open ingress to everybody",
			w.creation(policy(networkingv1.NetworkPolicyIngressRule{})),
			words(profile, section, refusesPolicy(profile, true)),
		},
		{"open ingress to nobody", w.creation(policy()), words(profile, section, refusesPolicy(profile, false))},
	}
}

// tamperProbes change what the profile manages in the namespace, and what says that it does.
func (w *world) tamperProbes(name string, profile *v1alpha1.SecurityProfile) ([]probe, error) {
	guarded := words(profile, "spec.protection.tamper", refusesTampering(profile))
	role := &rbacv1.Role{ObjectMeta: objectMeta(name, v1alpha1.NamePrefix+"squatter")}
	probes := []probe{
		{"take a name that is reserved", w.creation(role), guarded},
		{
			"take a namespace out of the selection, as who may update profiles",
			w.change(&corev1.Namespace{ObjectMeta: objectMeta("", name)},
				func(o client.Object) { o.GetLabels()[tierLabel] = "none" }),
			nil,
		},
	}
	if profile != nil {
		report := &v1alpha1.NamespacePosture{ObjectMeta: objectMeta(name, v1alpha1.PostureName)}
		probes = append(probes, probe{"forge the report", w.change(report, func(o client.Object) {
			report := o.(*v1alpha1.NamespacePosture)
			report.Status = fixture.Ready(!report.IsReady())
		}), append(guarded, words(profile, "spec.protection.readyGate", hasGate(profile) && !refusesTampering(profile))...)})
	}
	for i := range baseline.NamespacedKinds {
		objects, err := w.labelled(&baseline.NamespacedKinds[i], name)
		if err != nil {
			return nil, err
		}
		for _, o := range objects {
			object := o.(client.Object)
			refused := guarded
			if _, ok := object.(*networkingv1.NetworkPolicy); ok {
				refused = slices.Concat(guarded, words(profile, "spec.network.tenantPolicies", refusesPolicy(profile, true)))
			}
			probes = append(probes,
				probe{"loosen " + key(object), w.change(object, loosenAnew), refused},
				probe{"delete " + key(object), func(c client.Client) error { return c.Delete(w.ctx, object) }, guarded})
		}
	}
	return probes, nil
}

// loosenAnew loosens an object, and changes it even if it is as loose already: what WhenSafe holds
// back may be what a tampering left.
func loosenAnew(o client.Object) {
	loosen(o)
	o.SetAnnotations(map[string]string{"chaos.example.com/loosened": "yes"})
}

// forgingProbes forge the label of a namespace that says whose it is. Where a profile audits that
// may still be another's, which guards its own.
func (w *world) forgingProbes(
	name string,
	profile *v1alpha1.SecurityProfile,
	conflicted map[string]bool,
) ([]probe, error) {
	ns := &corev1.Namespace{ObjectMeta: objectMeta("", name)}
	if err := w.insist(func() error { return w.admin.Get(w.ctx, client.ObjectKeyFromObject(ns), ns) }); err != nil {
		return nil, err
	}
	named := w.model.profiles[ns.Labels[v1alpha1.ProfileLabel]]
	if named != nil && conflicted[named.Name] {
		return nil, nil // It cannot be told what is refused.
	}
	var refused []string
	for _, p := range []*v1alpha1.SecurityProfile{profile, named} {
		refused = append(refused, words(p, "spec.protection.tamper", refusesTampering(p))...)
	}
	return []probe{
		{
			"forge the label of a namespace",
			w.change(ns, func(o client.Object) { o.GetLabels()[v1alpha1.ProfileLabel] = "mallory" }),
			refused,
		},
	}, nil
}

// change reads an object and updates it.
func (w *world) change(o client.Object, change tampering) func(client.Client) error {
	return func(c client.Client) error {
		if err := w.admin.Get(w.ctx, client.ObjectKeyFromObject(o), o); err != nil {
			return err
		}
		change(o)
		return c.Update(w.ctx, o)
	}
}
