package integration

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/operator"
	"github.com/bulwark-dev/bulwark/test/fixture"
)

// startRival runs a controller that reconciles every object of a kind in one namespace, until the spec or the returned function ends it.
func startRival(o client.Object, namespace string, reconciler func(context.Context, client.Client, reconcile.Request) error) (stop func()) {
	GinkgoHelper()
	unnamed := true
	mgr, err := manager.New(plane.Config, manager.Options{
		Scheme: operator.Scheme(), Metrics: metricsserver.Options{BindAddress: "0"},
		Controller: config.Controller{SkipNameValidation: &unnamed},
	})
	Expect(err).NotTo(HaveOccurred())
	inNamespace := predicate.NewPredicateFuncs(func(o client.Object) bool { return o.GetNamespace() == namespace || o.GetName() == namespace })
	Expect(builder.ControllerManagedBy(mgr).Named("rival").For(o, builder.WithPredicates(inNamespace)).
		Complete(reconcile.Func(func(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
			return reconcile.Result{}, reconciler(ctx, mgr.GetClient(), request)
		}))).To(Succeed())
	running, cancel := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- mgr.Start(running) }()
	ended := false
	stop = func() {
		if cancel(); !ended {
			ended = true
			Expect(<-done).To(Succeed())
		}
	}
	DeferCleanup(stop)
	return stop
}

// expectContested waits until a correction in the namespace is contested by a manager, and checks who is told of it.
func expectContested(profile *v1alpha1.SecurityProfile, namespace, manager string) v1alpha1.DriftEntry {
	GinkgoHelper()
	entry := EventuallyDrift(namespace, func(e v1alpha1.DriftEntry) bool {
		return e.State == v1alpha1.Contested && e.Manager == manager
	})
	Eventually(func() []string { return eventReasons("Namespace", namespace) }).Should(ContainElement(v1alpha1.EventContested))
	Expect(metric("bulwark_contests_total", "profile", profile.Name, "kind", entry.Object.Kind)).To(BeNumerically(">=", 1))
	Eventually(func(g Gomega) {
		g.Expect(admin.Get(ctx, client.ObjectKeyFromObject(profile), profile)).To(Succeed())
		g.Expect(profile.Status.Namespaces.Contested).To(BeEquivalentTo(1))
	}).Should(Succeed())
	return entry
}

// expectHealed waits until the namespace is as declared again and nothing is contested.
func expectHealed(profile *v1alpha1.SecurityProfile, namespace string) {
	GinkgoHelper()
	EventuallyEstablished(profile, namespace)
	Eventually(func(g Gomega) {
		for _, e := range ReportOn(g, namespace).Drift {
			g.Expect(e.State).NotTo(Equal(v1alpha1.Contested))
		}
		g.Expect(admin.Get(ctx, client.ObjectKeyFromObject(profile), profile)).To(Succeed())
		g.Expect(profile.Status.Namespaces.Contested).To(BeZero())
	}).Should(Succeed())
}

var _ = Describe("A contest", func() {
	It("with another controller over a policy slows corrections down where the profile backs off, and heals when the other stops", func() {
		profile, namespace := Governed(fixture.OnlyNetwork, backingOff)
		EventuallyEstablished(profile, namespace)
		before := len(operatorWrites())
		stop := startRival(&networkingv1.NetworkPolicy{}, namespace,
			func(ctx context.Context, c client.Client, request reconcile.Request) error {
				policy := &networkingv1.NetworkPolicy{}
				if err := c.Get(ctx, request.NamespacedName, policy); err != nil || len(policy.Spec.Ingress) > 0 {
					return client.IgnoreNotFound(err)
				}
				policy.Spec.Ingress = []networkingv1.NetworkPolicyIngressRule{{}}
				return client.IgnoreNotFound(c.Update(ctx, policy, client.FieldOwner("rival")))
			})
		entry := expectContested(profile, namespace, "rival")
		Expect(entry.Operation).To(Equal(metav1.ManagedFieldsOperationUpdate))
		Expect(entry.ManagedAt).NotTo(BeNil())
		Expect(entry.Fields).To(HaveExactElements(HaveField("Path", "spec.ingress")))

		By("correcting another field of the same object at once")
		Update(deny(namespace), func(o client.Object) { o.SetLabels(map[string]string{"no": "more"}) }) // Of ours there are none then.
		Eventually(func(g Gomega) {
			g.Expect(Managed(g, namespace)).To(ContainElement(HaveField("GetName()", "bulwark-default-deny")))
		}).WithTimeout(time.Second).Should(Succeed())

		By("writing less and less")
		Consistently(func() int { return corrections(before, "networkpolicies", namespace) }).WithTimeout(6 * time.Second).
			Should(BeNumerically("<=", 10))
		stop()
		expectHealed(profile, namespace)
	})

	It("with a tool that applies a namespace's labels by force is told from the labels alone", func() {
		profile, namespace := Governed()
		EventuallyEstablished(profile, namespace)
		const level = "pod-security.kubernetes.io/enforce"
		stop := startRival(&corev1.Namespace{}, namespace, func(ctx context.Context, c client.Client, request reconcile.Request) error {
			apply := corev1ac.Namespace(request.Name).WithLabels(map[string]string{level: "baseline"})
			return client.IgnoreNotFound(c.Apply(ctx, apply, client.FieldOwner("argocd-controller"), client.ForceOwnership))
		})
		entry := expectContested(profile, namespace, "argocd-controller")
		Expect(entry.Operation).To(Equal(metav1.ManagedFieldsOperationApply))
		Expect(entry.Fields).To(HaveExactElements(
			v1alpha1.FieldDrift{Path: "metadata.labels[" + level + "]", Want: `"restricted"`, Got: `"baseline"`}))
		stop()
		expectHealed(profile, namespace)
	})
})

// backingOff makes the profile yield to those who keep changing objects back.
func backingOff(p *v1alpha1.SecurityProfile) { p.Spec.Contest = v1alpha1.BackOff }

// corrections are the operator's writes to a kind in a namespace since it had made so many.
func corrections(since int, resource, namespace string) int {
	n := 0
	for _, w := range operatorWrites()[since:] {
		if w.Resource == resource && w.Namespace == namespace {
			n++
		}
	}
	return n
}
