// Package edges holds what package posturetest says where something is wrong, on a real API server.
package edges

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	. "github.com/bulwark-dev/bulwark/test/posturetest"
)

// selecting changes which namespaces a profile selects.
func selecting(profile *v1alpha1.SecurityProfile, label string) *v1alpha1.SecurityProfile {
	profile.Spec.NamespaceSelector.MatchLabels = map[string]string{label: ""}
	return profile
}

func TestOnOneAPIServer(t *testing.T) {
	env := &envtest.Environment{}
	bulwark, err := Start(env, LogTo(logr.Discard()))
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	t.Cleanup(func() { NewWithT(t).Expect(bulwark.Stop()).To(Succeed()) })
	admin := bulwark.Client
	text, err := os.ReadFile("../../../../docs/testing.md")
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	isShown := func(g *WithT, said string) {
		shown := strings.Contains(string(text), "```text\n"+said+"\n```\n")
		g.Expect(shown).To(BeTrue(), "docs/testing.md does not show:\n%s", said)
	}

	for sentence, try := range map[string]func(*testing.T, *WithT){
		"a profile that the API server refuses": func(t *testing.T, g *WithT) {
			profile := Restricted("empty")
			profile.Spec = v1alpha1.SecurityProfileSpec{NamespaceSelector: profile.Spec.NamespaceSelector}
			g.Expect(bulwark.Govern(t.Context(), "refused", profile)).To(MatchError(And(
				HavePrefix("applying SecurityProfile empty: "),
				ContainSubstring("a profile must declare at least one of podSecurity"),
			)))
		},
		"a namespace that the profile does not select": func(t *testing.T, g *WithT) {
			g.Expect(admin.Create(t.Context(), namespace("checkout", "team", "a"))).To(Succeed())
			began := time.Now()
			err := bulwark.Govern(t.Context(), "checkout", Restricted("web"))
			g.Expect(err).To(MatchError(HavePrefix("namespace checkout is not as SecurityProfile web declares:\n")))
			isShown(g, err.Error())
			g.Expect(time.Since(began)).To(BeNumerically("<", 10*time.Second))
		},
		"a namespace that is labelled just in time": func(t *testing.T, g *WithT) {
			ns := namespace("late", "team", "a")
			g.Expect(admin.Create(t.Context(), ns)).To(Succeed())
			time.AfterFunc(300*time.Millisecond, func() {
				ns.Labels[ProfileLabel] = "late"
				_ = admin.Update(t.Context(), ns) // Else Govern fails.
			})
			g.Expect(bulwark.Govern(t.Context(), "late", Baseline("late"))).To(Succeed())
		},
		"a protected namespace": func(t *testing.T, g *WithT) {
			g.Expect(bulwark.Govern(t.Context(), "kube-system", Restricted("system"))).To(MatchError(
				ContainSubstring("the namespace is protected: no profile selects it")))
		},
		"a namespace that is being deleted": func(t *testing.T, g *WithT) {
			ns := namespace("leaving", ProfileLabel, "leaving")
			g.Expect(admin.Create(t.Context(), ns)).To(Succeed())
			g.Expect(admin.Delete(t.Context(), ns)).To(Succeed())
			g.Expect(bulwark.Govern(t.Context(), "leaving", Restricted("leaving"))).To(MatchError(
				ContainSubstring("the namespace is being deleted")))
		},
		"an object of another maker is in the way": func(t *testing.T, g *WithT) {
			g.Expect(admin.Create(t.Context(), namespace("taken", ProfileLabel, "taken"))).To(Succeed())
			g.Expect(admin.Create(t.Context(), &networkingv1.NetworkPolicy{
				ObjectMeta: metav1.ObjectMeta{Namespace: "taken", Name: "bulwark-default-deny"},
			})).To(Succeed())
			began := time.Now()
			g.Expect(bulwark.Govern(t.Context(), "taken", Restricted("taken"))).To(MatchError(
				ContainSubstring("\n  NetworkPolicy bulwark-default-deny is Conflict: ")))
			g.Expect(time.Since(began)).To(BeNumerically("<", 10*time.Second))
		},
		"a Role that the operator may not grant": func(t *testing.T, g *WithT) {
			profile := Baseline("payments")
			profile.Spec.RBAC.Roles = []v1alpha1.Role{{
				Name: "writer", Rules: []v1alpha1.PolicyRule{{Resources: []string{"secrets"}, Verbs: []string{"get"}}},
				Subjects: []v1alpha1.Subject{{Kind: "Group", Name: "writers"}},
			}}
			err := bulwark.Govern(t.Context(), "payments", profile)
			g.Expect(err).To(MatchError(ContainSubstring("\n  Role bulwark-writer is Failed: ")))
			isShown(g, err.Error())
		},
		"what every cluster lets a profile grant": func(t *testing.T, g *WithT) {
			profile := Baseline("reading")
			profile.Spec.RBAC.Roles = []v1alpha1.Role{{
				Name: "reader", Rules: []v1alpha1.PolicyRule{{Resources: []string{"pods"}, Verbs: []string{"get"}}},
				Subjects: []v1alpha1.Subject{{Kind: "Group", Name: "readers"}},
			}}
			profile.Spec.RBAC.Bindings = []v1alpha1.RoleBinding{{
				Name: "viewers", ClusterRole: "view", Subjects: []v1alpha1.Subject{{Kind: "Group", Name: "viewers"}},
			}}
			g.Expect(bulwark.Govern(t.Context(), "reading", profile)).To(Succeed())
			g.Expect(bulwark.Posture(t.Context(), "reading")).To(BeCompliantWith(profile))
		},
		"a quota": func(t *testing.T, g *WithT) {
			profile := selecting(Baseline("counting"), "counted")
			profile.Spec.Quotas = []v1alpha1.Quota{{Name: "few", Spec: corev1.ResourceQuotaSpec{Hard: corev1.ResourceList{
				"pods": resource.MustParse("1"), "count/secrets": resource.MustParse("1"), "services": resource.MustParse("0"),
			}}}}
			g.Expect(bulwark.Govern(t.Context(), "counting", profile)).To(Succeed())
			g.Expect(admin.Create(t.Context(), pod("counting", "first"))).To(Succeed())
			g.Expect(admin.Create(t.Context(), pod("counting", "second"))).To(BeRefusedBy("quota/fits"))
			g.Expect(admin.Delete(t.Context(), pod("counting", "first"), client.GracePeriodSeconds(0))).To(Succeed())
			g.Eventually(func() error { return admin.Create(t.Context(), pod("counting", "second")) }).
				WithTimeout(5 * time.Second).Should(Succeed())
			g.Expect(bulwark.Posture(t.Context(), "counting")).To(BeCompliantWith(profile))
		},
		"the sample of the strictest baseline": func(t *testing.T, g *WithT) {
			profile, err := FromFile("../../../../config/samples/restricted.yaml")
			g.Expect(err).NotTo(HaveOccurred())
			began := time.Now()
			g.Expect(bulwark.Govern(t.Context(), "production", profile)).To(Succeed())
			t.Logf("it governs after %s", time.Since(began))
			err = admin.Create(t.Context(), pod("production", "open"))
			g.Expect(err).To(And(BeRefusedBy("seccompProfile"), BeRefusedBy("pod-security/runAsNonRoot")))
			byDigest := BeRefusedBy("digest")
			g.Expect(err).NotTo(byDigest)
			isShown(g, byDigest.FailureMessage(err))
			g.Expect(admin.Create(t.Context(), &corev1.Service{
				ObjectMeta: metav1.ObjectMeta{Namespace: "production", Name: "open"},
				Spec:       corev1.ServiceSpec{Type: corev1.ServiceTypeNodePort, Ports: []corev1.ServicePort{{Port: 80}}},
			})).To(BeRefusedBy("allowedServiceTypes"))
			g.Expect(bulwark.Posture(t.Context(), "production")).To(BeCompliantWith(profile))
		},
		"a gate that opens, and tamper protection that lets the operator work": func(t *testing.T, g *WithT) {
			profile := Baseline("gated")
			profile.Spec.Protection = &v1alpha1.Protection{
				ReadyGate: v1alpha1.RequirementRequire, Tamper: v1alpha1.ProhibitionForbid,
			}
			g.Expect(bulwark.Govern(t.Context(), "gated", profile)).To(Succeed())
			g.Expect(admin.Create(t.Context(), pod("gated", "first"))).To(Succeed())
			profile.Spec.Network.DefaultDeny = append(profile.Spec.Network.DefaultDeny, networkingv1.PolicyTypeEgress)
			g.Expect(bulwark.Govern(t.Context(), "gated", profile)).To(Succeed())
			policy := &networkingv1.NetworkPolicy{
				ObjectMeta: metav1.ObjectMeta{Namespace: "gated", Name: "bulwark-default-deny"},
			}
			g.Expect(admin.Get(t.Context(), client.ObjectKeyFromObject(policy), policy)).To(Succeed())
			g.Expect(policy.Spec.PolicyTypes).To(HaveLen(2))
			g.Expect(admin.Delete(t.Context(), policy)).To(BeRefusedBy("tamper-objects"))
		},
		"a profile that only audits": func(t *testing.T, g *WithT) {
			profile := Restricted("auditing")
			profile.Spec.Enforcement = v1alpha1.EnforcementAudit
			g.Expect(bulwark.Govern(t.Context(), "auditing", profile)).To(Succeed())
			g.Expect(admin.Create(t.Context(), pod("auditing", "open"))).To(Succeed())
			posture, err := bulwark.Posture(t.Context(), "auditing")
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(posture).NotTo(BeCompliantWith(profile))
		},
		"a profile of a name that is being deleted": func(t *testing.T, g *WithT) {
			profile := Baseline("again")
			g.Expect(bulwark.Govern(t.Context(), "again", profile)).To(Succeed())
			g.Expect(admin.Delete(t.Context(), &v1alpha1.SecurityProfile{ObjectMeta: metav1.ObjectMeta{Name: "again"}})).To(Succeed())
			profile.Spec.Priority = 7
			g.Expect(bulwark.Govern(t.Context(), "again", profile)).To(Succeed())
			g.Expect(bulwark.Posture(t.Context(), "again")).To(BeCompliantWith(profile))
		},
		"another namespace of the same profile": func(t *testing.T, g *WithT) {
			profile := Restricted("several")
			g.Expect(bulwark.Govern(t.Context(), "several-a", profile)).To(Succeed())
			began := time.Now()
			g.Expect(bulwark.Govern(t.Context(), "several-b", profile)).To(Succeed())
			t.Logf("it governs after %s", time.Since(began))
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			t.Parallel()
			try(t, NewWithT(t))
		})
	}
}

func TestAnOperatorThatWasStopped(t *testing.T) {
	g := NewWithT(t)
	env := &envtest.Environment{}
	_, err := env.Start()
	g.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(func() { g.Expect(env.Stop()).To(Succeed()) })

	bulwark, err := Start(env)
	g.Expect(err).NotTo(HaveOccurred())
	profile := Baseline("web")
	g.Expect(bulwark.Govern(t.Context(), "shop", profile)).To(Succeed())
	g.Expect(bulwark.Stop()).To(Succeed())
	g.Expect(bulwark.Stop()).To(Succeed())
	g.Expect(bulwark.Govern(t.Context(), "shop", profile)).To(MatchError(ContainSubstring("the operator was stopped")))

	policy := &networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "bulwark-default-deny"}}
	g.Expect(bulwark.Client.Delete(t.Context(), policy)).To(Succeed())
	posture, err := bulwark.Posture(t.Context(), "shop")
	g.Expect(err).NotTo(HaveOccurred())
	matcher := BeCompliantWith(profile)
	g.Expect(posture).NotTo(matcher)
	g.Expect(matcher.FailureMessage(posture)).To(Equal(
		"Expected namespace shop to be compliant with SecurityProfile web. It is not:\n  " +
			"NetworkPolicy bulwark-default-deny is missing"))

	again, err := Start(env)
	g.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(func() { g.Expect(again.Stop()).To(Succeed()) })
	g.Eventually(again.Posture).WithArguments("shop").WithContext(t.Context()).WithTimeout(10 * time.Second).Should(And(
		HaveDrift(Drift{Name: "bulwark-default-deny", Change: v1alpha1.DriftChangeMissing}), BeCompliantWith(profile)))
}

func namespace(name, label, value string) *corev1.Namespace {
	return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{label: value}}}
}

func pod(namespace, name string) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "app", Image: "registry.example.com/app:v1"}}},
	}
}
