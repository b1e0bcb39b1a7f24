package process

import (
	"fmt"
	"path/filepath"
	"syscall"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/gbytes"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/internal/drift"
	"github.com/bulwark-dev/bulwark/internal/operator"
	"github.com/bulwark-dev/bulwark/test/framework/controlplane"
	"github.com/bulwark-dev/bulwark/test/framework/fixture"
)

// kept starts an operator and, as a kubelet does, starts it again whenever it ends. It returns how
// often that was.
func kept(config string, flags ...string) (running func() *process, restarts func() int) {
	GinkgoHelper()
	p, times := started(config, flags...), 0
	again := func() {
		if p.ExitCode() >= 0 {
			p, times = started(config, flags...), times+1
		}
	}
	return func() *process { again(); return p }, func() int { again(); return times }
}

var _ = Describe("A snapshot of etcd that is restored under the running operator", func() {
	It("is brought to what it declares, though the operator has seen what came after it", func() {
		restored, err := controlplane.Start(ctx)
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(func() error { return restored.Stop() })
		Expect(restored.Install(ctx)).To(Succeed())
		root, err := client.New(restored.Config, client.Options{Scheme: operator.Scheme()})
		Expect(err).NotTo(HaveOccurred())
		cfg, err := restored.OperatorConfig(ctx)
		Expect(err).NotTo(HaveOccurred())
		config := filepath.Join(GinkgoT().TempDir(), "operator.kubeconfig")
		Expect(controlplane.WriteKubeconfig(config, cfg)).To(Succeed())
		running, restarts := kept(config)
		as := func(groups ...string) client.Client {
			GinkgoHelper()
			cfg := rest.CopyConfig(restored.Config)
			cfg.Impersonate = rest.ImpersonationConfig{UserName: "somebody", Groups: append(groups, "system:masters")}
			c, err := client.New(cfg, client.Options{Scheme: operator.Scheme()})
			Expect(err).NotTo(HaveOccurred())
			return c
		}
		somebody, glass := as(), as(fixture.BreakGlass)

		established := func(g Gomega, profile *v1alpha1.SecurityProfile, namespaces ...string) {
			running()
			g.Expect(root.Get(ctx, client.ObjectKeyFromObject(profile), profile)).To(Succeed())
			for _, namespace := range namespaces {
				live, err := fixture.Managed(ctx, root, namespace)
				g.Expect(err).NotTo(HaveOccurred())
				g.Expect(drift.Compare(baseline.Render(profile, namespace), live, drift.Ours)).To(BeEmpty(), namespace)
				report := &v1alpha1.NamespacePosture{}
				g.Expect(root.Get(ctx, client.ObjectKey{Namespace: namespace, Name: v1alpha1.PostureName}, report)).To(Succeed())
				g.Expect(report.ProfileGeneration).To(Equal(profile.Generation), namespace)
				g.Expect(report.IsReady()).To(BeTrue(), namespace)
			}
			g.Expect(profile.Status.Namespaces.Selected).To(BeEquivalentTo(len(namespaces)))
		}
		eventually := func(profile *v1alpha1.SecurityProfile, namespaces ...string) {
			GinkgoHelper()
			Eventually(func(g Gomega) { established(g, profile, namespaces...) }).WithTimeout(90 * time.Second).Should(Succeed())
		}
		defaultDeny := func(namespace string) *networkingv1.NetworkPolicy {
			return &networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "bulwark-default-deny"}}
		}

		refused := func() {
			GinkgoHelper()
			Eventually(func() error { return somebody.Delete(ctx, defaultDeny("steady"), client.DryRunAll) }).
				Should(MatchError(ContainSubstring("is changed by Bulwark alone")))
		}

		By("taking a snapshot of a moment at which a part of a baseline is missing")
		profile := fixture.Profile("rewound", fixture.Guarded)
		Expect(root.Create(ctx, profile)).To(Succeed())
		for _, name := range []string{"steady", "broken", "ended"} {
			Expect(root.Create(ctx, fixture.Namespace(name, "rewound"))).To(Succeed())
		}
		eventually(profile, "steady", "broken", "ended")
		Expect(running().Command.Process.Signal(syscall.SIGSTOP)).To(Succeed())
		Expect(glass.Delete(ctx, defaultDeny("broken"))).To(Succeed())
		snapshot, err := restored.Snapshot()
		Expect(err).NotTo(HaveOccurred())
		Expect(running().Command.Process.Signal(syscall.SIGCONT)).To(Succeed())

		By("changing what the snapshot holds")
		eventually(profile, "steady", "broken", "ended")
		before := profile.DeepCopy()
		profile.Spec.Quotas[0].Spec.Hard[corev1.ResourcePods] = resource.MustParse("7")
		Expect(root.Patch(ctx, profile, client.MergeFrom(before))).To(Succeed())
		for i := range 300 { // What others write in the meantime.
			Expect(
				root.Create(
					ctx,
					&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: fmt.Sprint("written-", i)}},
				),
			).To(Succeed())
		}
		Expect(root.Create(ctx, fixture.Namespace("later", "rewound"))).To(Succeed())
		Expect(root.Delete(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "ended"}})).To(Succeed())
		eventually(profile, "steady", "broken", "later")
		ended := running()

		By("restoring the snapshot")
		Expect(restored.Restore(ctx, snapshot)).To(Succeed())
		began := time.Now()
		eventually(profile, "steady", "broken", "ended")
		AddReportEntry("from the API server's start to the baseline of the snapshot", time.Since(began))
		Expect(profile.Spec.Quotas[0].Spec.Hard.Pods().String()).To(Equal("2"))
		Expect(restarts()).To(Equal(1))
		// A restoration that takes longer than a lease is heard of by that.
		Expect(ended.said()).To(gbytes.Say("went back .* etcd was restored|leader election lost"))

		By("restoring it once more, while no operator runs: tamper protection is in it, and holds")
		Expect(running().Command.Process.Signal(syscall.SIGSTOP)).To(Succeed())
		Expect(glass.Delete(ctx, defaultDeny("steady"))).To(Succeed())
		running().Kill().Wait()
		Expect(restored.Restore(ctx, snapshot)).To(Succeed())
		refused()
		began = time.Now()
		eventually(profile, "steady", "broken", "ended")
		AddReportEntry("from the operator's start to the baseline of the snapshot", time.Since(began))

		By("tampering as ever")
		refused()
		for _, namespace := range []string{"steady", "broken", "ended"} {
			Expect(glass.Delete(ctx, defaultDeny(namespace))).To(Succeed())
		}
		eventually(profile, "steady", "broken", "ended")
		Expect(root.Delete(ctx, profile)).To(Succeed())
		Eventually(func() error {
			return client.IgnoreNotFound(root.Get(ctx, client.ObjectKeyFromObject(profile), profile))
		}).Should(Succeed())
		Eventually(
			func() error { return root.Get(ctx, client.ObjectKeyFromObject(profile), profile) },
		).Should(MatchError(ContainSubstring("not found")))
	})
})
