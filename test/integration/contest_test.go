package integration

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/meta"
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
	. "github.com/bulwark-dev/bulwark/test/framework/expect"
	"github.com/bulwark-dev/bulwark/test/framework/fixture"
)

// startRival runs a controller that reconciles every object of a kind in one namespace, until the
// spec or the returned function ends it.
func startRival(
	o client.Object,
	namespace string,
	reconciler func(context.Context, client.Client, reconcile.Request) error,
) (stop func()) {
	GinkgoHelper()
	unnamed := true
	mgr, err := manager.New(plane.Config, manager.Options{
		Scheme: operator.Scheme(), Metrics: metricsserver.Options{BindAddress: "0"},
		Controller: config.Controller{SkipNameValidation: &unnamed},
	})
	Expect(err).NotTo(HaveOccurred())
	inNamespace := predicate.NewPredicateFuncs(
		func(o client.Object) bool { return o.GetNamespace() == namespace || o.GetName() == namespace },
	)
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

// ExpectContested waits until a correction in the namespace is contested by a manager, and checks
// who is told of it.
func ExpectContested(profile *v1alpha1.SecurityProfile, namespace, manager string) v1alpha1.DriftEntry {
	GinkgoHelper()
	entry := EventuallyDrift(namespace, func(e v1alpha1.DriftEntry) bool {
		return e.State == v1alpha1.DriftStateContested && e.Manager == manager
	})
	Eventually(
		func() []string { return eventReasons("Namespace", namespace) },
	).Should(ContainElement(v1alpha1.EventContested))
	Expect(metric("bulwark_contests_total", "profile", profile.Name, "kind", entry.Object.Kind)).To(BeNumerically(">=", 1))
	Eventually(func(g Gomega) {
		g.Expect(admin.Get(ctx, client.ObjectKeyFromObject(profile), profile)).To(Succeed())
		g.Expect(profile.Status.Namespaces.Contested).To(BeEquivalentTo(1))
	}).Should(Succeed())
	return entry
}

// ExpectHealed waits until the namespace is as declared again and nothing is contested.
func ExpectHealed(profile *v1alpha1.SecurityProfile, namespace string) {
	GinkgoHelper()
	EventuallyEstablished(profile, namespace)
	Eventually(func(g Gomega) {
		for _, e := range ReportOn(g, namespace).Drift {
			g.Expect(e.State).NotTo(Equal(v1alpha1.DriftStateContested))
		}
		g.Expect(admin.Get(ctx, client.ObjectKeyFromObject(profile), profile)).To(Succeed())
		g.Expect(profile.Status.Namespaces.Contested).To(BeZero())
	}).Should(Succeed())
}

var _ = Describe("A contest", func() {
	It(
		"with another controller over a policy slows corrections down where the profile backs off, and heals when the other stops",
		func() {
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
			entry := ExpectContested(profile, namespace, "rival")
			Expect(entry.Operation).To(Equal(metav1.ManagedFieldsOperationUpdate))
			Expect(entry.ManagedAt).NotTo(BeNil())
			Expect(entry.Fields).To(HaveExactElements(HaveField("Path", "spec.ingress")))

			By("correcting another field of the same object at once")
			Update(
				deny(namespace),
				func(o client.Object) { o.SetLabels(map[string]string{"no": "more"}) },
			) // Of ours there are none then.
			Eventually(func(g Gomega) {
				g.Expect(Managed(g, namespace)).To(ContainElement(HaveField("GetName()", "bulwark-default-deny")))
			}).WithTimeout(time.Second).Should(Succeed())

			By("writing less and less")
			Consistently(func() int { return corrections(before, "networkpolicies", namespace) }).WithTimeout(6 * time.Second).
				Should(BeNumerically("<=", 10))
			stop()
			ExpectHealed(profile, namespace)
		},
	)

	It("with a tool that applies a namespace's labels by force is told from the labels alone", func() {
		profile, namespace := Governed()
		EventuallyEstablished(profile, namespace)
		const level = "pod-security.kubernetes.io/enforce"
		stop := startRival(
			&corev1.Namespace{},
			namespace,
			func(ctx context.Context, c client.Client, request reconcile.Request) error {
				apply := corev1ac.Namespace(request.Name).WithLabels(map[string]string{level: "baseline"})
				return client.IgnoreNotFound(c.Apply(ctx, apply, client.FieldOwner("argocd-controller"), client.ForceOwnership))
			},
		)
		entry := ExpectContested(profile, namespace, "argocd-controller")
		Expect(entry.Operation).To(Equal(metav1.ManagedFieldsOperationApply))
		Expect(entry.Fields).To(HaveExactElements(
			v1alpha1.FieldDrift{Path: "metadata.labels[" + level + "]", Want: `"restricted"`, Got: `"baseline"`}))
		stop()
		ExpectHealed(profile, namespace)
	})
})

// writer writes a label of a namespace again and again, as a tool does that has another value for
// it.
type writer struct {
	manager, value string
	first, every   time.Duration
}

// write writes until the time is up.
func (w writer) write(ctx context.Context, namespace, label string, until time.Time) {
	defer GinkgoRecover()
	c := bed.ClientOf(GinkgoTB(), plane.Config)
	for at := time.Now().Add(w.first); at.Before(until); at = at.Add(w.every) {
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Until(at)):
		}
		apply := corev1ac.Namespace(namespace).WithLabels(map[string]string{label: w.value})
		Expect(c.Apply(ctx, apply, client.FieldOwner(w.manager), client.ForceOwnership)).To(Succeed())
	}
}

// inForce is for which part of a time a namespace bears a label with a value, as a watch tells.
func inForce(namespace, label, value string, begin, until time.Time) func() float64 {
	GinkgoHelper()
	watching, err := client.NewWithWatch(plane.Config, client.Options{Scheme: operator.Scheme()})
	Expect(err).NotTo(HaveOccurred())
	w, err := watching.Watch(ctx, &corev1.NamespaceList{}, client.MatchingFields{"metadata.name": namespace})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(w.Stop)
	share := make(chan float64, 1)
	go func() {
		held, holds, last := time.Duration(0), false, begin
		for time.Now().Before(until) {
			select {
			case event := <-w.ResultChan():
				if ns, ok := event.Object.(*corev1.Namespace); ok {
					if now := time.Now(); holds {
						held += now.Sub(last)
					}
					last, holds = time.Now(), ns.Labels[label] == value
				}
			case <-time.After(time.Until(until)):
			}
		}
		if holds {
			held += until.Sub(last)
		}
		share <- float64(held) / float64(until.Sub(begin))
	}()
	return func() float64 { return <-share }
}

// backingOff makes the profile yield to those who keep changing objects back.
func backingOff(p *v1alpha1.SecurityProfile) { p.Spec.Contest = v1alpha1.ContestBackOff }

var _ = Describe("A contest that the profile goes on correcting in", func() {
	const label = "pod-security.kubernetes.io/enforce"

	It(
		"leaves the declared level in force for nine tenths of a minute against one write a second, of one manager or of two",
		thatWaitsLong,
		func() {
			one, first := Governed(atRestricted)
			two, second := Governed(atRestricted)
			EventuallyEstablished(one, first)
			EventuallyEstablished(two, second)
			EventuallyQuiet()
			before, begin := len(operatorWrites()), time.Now()
			until := begin.Add(time.Minute)
			shares := map[string]func() float64{
				first:  inForce(first, label, "restricted", begin, until),
				second: inForce(second, label, "restricted", begin, until),
			}
			for namespace, writers := range map[string][]writer{
				first: {{"argocd-controller", "baseline", 0, time.Second}},
				second: {
					{"argocd-controller", "baseline", 0, 2 * time.Second},
					{"kustomize-controller", "privileged", time.Second, 2 * time.Second},
				},
			} {
				for _, w := range writers {
					go w.write(ctx, namespace, label, until)
				}
			}
			entry := ExpectContested(one, first, "argocd-controller")
			Expect(entry.Fields).To(HaveExactElements(HaveField("Path", "metadata.labels["+label+"]")))
			ExpectContested(two, second, "argocd-controller")
			ExpectContested(two, second, "kustomize-controller")
			for profile, managers := range map[*v1alpha1.SecurityProfile]string{
				one: "the field manager argocd-controller:", two: "the field managers argocd-controller and kustomize-controller:",
			} {
				Eventually(func(g Gomega) {
					g.Expect(admin.Get(ctx, client.ObjectKeyFromObject(profile), profile)).To(Succeed())
					for _, conditionType := range []string{v1alpha1.ConditionReady, v1alpha1.ConditionCompliant} {
						condition := meta.FindStatusCondition(profile.Status.Conditions, conditionType)
						g.Expect(condition.Status).To(Equal(metav1.ConditionFalse))
						g.Expect(condition.Reason).To(Equal(v1alpha1.ReasonContestedObjects))
						g.Expect(condition.Message).
							To(ContainSubstring("in namespace " + profile.Name + "-a Namespace " + profile.Name + "-a is contested by " + managers))
						g.Expect(condition.Message).To(ContainSubstring("metadata.labels[" + label + "]"))
					}
				}).Should(Succeed())
			}
			eventsOfContest := len(operatorWrites())
			for namespace, share := range shares {
				Expect(share()).To(BeNumerically(">=", 0.9), namespace)
			}
			for _, namespace := range []string{first, second} {
				n, reports := 0, 0
				for i, w := range operatorWrites()[before:] {
					switch {
					case w.Name == namespace && w.Resource == "namespaces":
						n++
					case w.Namespace == namespace && w.Resource == "namespacepostures" && before+i >= eventsOfContest:
						reports++
					}
				}
				Expect(n).To(BeNumerically("<=", 62), "corrections of %s in a minute", namespace)
				Expect(reports).To(BeNumerically("<=", 1), "reports on %s while the contest goes on", namespace)
			}
			ExpectHealed(one, first)
			ExpectHealed(two, second)
			EventuallyReady(one)
		},
	)

	It("is told as soon as the threshold is reached, though each change is corrected at once", func() {
		profile, namespace := Governed(atRestricted, backingOff) // However it is answered.
		EventuallyEstablished(profile, namespace)
		begin := time.Now()
		const pause = 4 * time.Second // More than the delay of the first contested correction.
		go writer{"argocd-controller", "privileged", 0, pause}.write(ctx, namespace, label, begin.Add(3*pause))
		entry := ExpectContested(profile, namespace, "argocd-controller")
		Expect(time.Since(begin)).To(BeNumerically(">", 2*pause-time.Second))
		Expect(entry.Fields).To(HaveExactElements(HaveField("Path", "metadata.labels["+label+"]")))
		Expect(labelsOf(namespace)[label]).To(Equal("restricted"))
		EventuallyCondition(profile, v1alpha1.ConditionReady, metav1.ConditionFalse)
		for _, part := range []string{"argocd-controller", "Namespace " + namespace, label} {
			Expect(
				meta.FindStatusCondition(profile.Status.Conditions, v1alpha1.ConditionReady).Message,
			).To(ContainSubstring(part))
		}
		ExpectHealed(profile, namespace)
	})

	It("shares one write a second among all that is contested in a namespace, and gives each its turn", func() {
		profile, namespace := Governed(
			fixture.OnlyNetwork,
			func(p *v1alpha1.SecurityProfile) { p.Spec.Network.AllowSameNamespace = &v1alpha1.AllowSameNamespace{} },
		)
		EventuallyEstablished(profile, namespace)
		rival := func(ctx context.Context, c client.Client, request reconcile.Request) error {
			policy := &networkingv1.NetworkPolicy{}
			if err := c.Get(ctx, request.NamespacedName, policy); err != nil || policy.Spec.PodSelector.MatchLabels["no"] != "" {
				return client.IgnoreNotFound(err)
			}
			policy.Spec.PodSelector.MatchLabels = map[string]string{"no": "pod"}
			return client.IgnoreNotFound(c.Update(ctx, policy, client.FieldOwner("rival")))
		}
		startRival(&networkingv1.NetworkPolicy{}, namespace, rival)
		Eventually(
			func(g Gomega) { g.Expect(ReportOn(g, namespace).Summary.Contested).To(BeEquivalentTo(2)) },
		).Should(Succeed())
		before, begin := len(operatorWrites()), time.Now()
		turns := func() map[string]int {
			n := map[string]int{}
			for _, w := range operatorWrites()[before:] {
				if w.Resource == "networkpolicies" && w.Namespace == namespace {
					n[w.Name]++
				}
			}
			return n
		}
		Eventually(
			turns,
		).Should(And(HaveKeyWithValue("bulwark-default-deny", BeNumerically(">=", 3)), HaveKeyWithValue("bulwark-allow-same-namespace", BeNumerically(">=", 3))))
		total := 0
		for _, n := range turns() {
			total += n
		}
		Expect(float64(total)).To(BeNumerically("<=", time.Since(begin).Seconds()+3))
	})
})

// atRestricted makes the profile declare the restricted level, and little else.
func atRestricted(p *v1alpha1.SecurityProfile) {
	fixture.OnlyNetwork(p)
	p.Spec.PodSecurity = &v1alpha1.PodSecurity{Enforce: "restricted"}
}

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
