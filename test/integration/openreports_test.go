package integration

import (
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	reportsv1alpha1 "github.com/openreports/reports-api/apis/openreports.io/v1alpha1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/openreports"
	"github.com/bulwark-dev/bulwark/internal/operator"
	"github.com/bulwark-dev/bulwark/test/framework/controlplane"
	. "github.com/bulwark-dev/bulwark/test/framework/expect"
	"github.com/bulwark-dev/bulwark/test/framework/fixture"
)

// publishes makes the operator write Reports, and look often at whether it can.
func publishes(o *operator.Options) {
	o.OpenReports = true
	looksOften(o)
}

// kubectl runs kubectl, which must succeed.
func kubectl(args ...string) {
	GinkgoHelper()
	out, err := plane.Kubectl(ctx, args...).CombinedOutput()
	Expect(err).NotTo(HaveOccurred(), string(out))
}

// openReportsCRD is the file of the CRD in the module that its types come from.
func openReportsCRD() string {
	GinkgoHelper()
	list := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", "github.com/openreports/reports-api")
	list.Dir = controlplane.Root()
	dir, err := list.Output()
	Expect(err).NotTo(HaveOccurred())
	return filepath.Join(strings.TrimSpace(string(dir)), "config", "crd", "openreports.io_reports.yaml")
}

func installOpenReports() {
	GinkgoHelper()
	kubectl("apply", "--server-side", "-f", openReportsCRD())
	DeferCleanup(uninstallOpenReports)
	kubectl("wait", "--for=condition=Established", "crd/reports.openreports.io", "--timeout=60s")
}

func uninstallOpenReports() {
	GinkgoHelper()
	kubectl("delete", "--ignore-not-found", "-f", openReportsCRD(), "--timeout=60s")
}

func permitOpenReports() {
	GinkgoHelper()
	kubectl("apply", "--server-side", "-k", "config/openreports")
	DeferCleanup(forbidOpenReports)
}

func forbidOpenReports() {
	GinkgoHelper()
	kubectl("delete", "--ignore-not-found", "-k", "config/openreports")
}

func theReport(namespace string) *reportsv1alpha1.Report {
	return &reportsv1alpha1.Report{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: v1alpha1.ReportName}}
}

// PublishedReport is the Report on a namespace, which must say what the posture says.
func PublishedReport(g Gomega, namespace string) *reportsv1alpha1.Report {
	GinkgoHelper()
	want, report := openreports.Render(ReportOn(g, namespace)), theReport(namespace)
	g.Expect(admin.Get(ctx, client.ObjectKeyFromObject(report), report)).To(Succeed())
	g.Expect(report.Labels).To(Equal(want.Labels))
	g.Expect(report.OwnerReferences).To(Equal(want.OwnerReferences))
	g.Expect(report.Source).To(Equal("bulwark"))
	g.Expect(report.Scope).To(Equal(want.Scope))
	g.Expect(report.ScopeSelector).To(BeNil())
	g.Expect(report.Summary).To(Equal(want.Summary))
	g.Expect(report.Results).To(Equal(want.Results))
	return report
}

// EventuallyPublished waits until the Report on a namespace says what the posture says, and has a
// result that the matcher accepts.
func EventuallyPublished(namespace string, results OmegaMatcher) *reportsv1alpha1.Report {
	GinkgoHelper()
	var report *reportsv1alpha1.Report
	Eventually(func(g Gomega) {
		report = PublishedReport(g, namespace)
		g.Expect(report.Results).To(results)
	}).Should(Succeed())
	return report
}

// onPolicy is the result on the policy that denies by default.
func onPolicy(result reportsv1alpha1.Result, more ...OmegaMatcher) OmegaMatcher {
	return ContainElement(SatisfyAll(append(
		more,
		HaveField(
			"Policy",
			"baseline/NetworkPolicy",
		),
		HaveField("Rule", "bulwark-default-deny"),
		HaveField("Result", result),
	)...))
}

// EventuallyPublishes waits until a profile says whether reports are published, and why.
func EventuallyPublishes(profile *v1alpha1.SecurityProfile, status metav1.ConditionStatus, reason string) string {
	GinkgoHelper()
	var message string
	Eventually(func(g Gomega) {
		g.Expect(admin.Get(ctx, client.ObjectKeyFromObject(profile), profile)).To(Succeed())
		condition := meta.FindStatusCondition(profile.Status.Conditions, v1alpha1.ConditionPublished)
		g.Expect(condition).NotTo(BeNil())
		g.Expect(condition.Status).To(Equal(status), condition.Message)
		g.Expect(condition.Reason).To(Equal(reason), condition.Message)
		message = condition.Message
	}).Should(Succeed())
	return message
}

// reportWrites are how often the operator wrote the Report of a namespace, or tried to.
func reportWrites(namespace string) int {
	GinkgoHelper()
	n := 0
	for _, w := range operatorWrites() {
		if w.Resource == "reports" && w.Namespace == namespace {
			n++
		}
	}
	return n
}

var _ = Describe("A Report of openreports.io", Ordered, func() {
	BeforeAll(func() {
		installOpenReports()
		permitOpenReports()
	})
	restartedWith(publishes)

	It("has a result for each managed object, and is written once", func() {
		profile, namespace := Governed()
		EventuallyEstablished(profile, namespace)
		EventuallyPublishes(profile, metav1.ConditionTrue, v1alpha1.ReasonPublishing)
		EventuallyCondition(profile, v1alpha1.ConditionReady, metav1.ConditionTrue)
		report := EventuallyPublished(namespace, onPolicy("pass"))
		Expect(report.Results).To(HaveLen(len(ReportOn(Default, namespace).Objects)))
		Expect(report.Results).To(HaveEach(HaveField("Result", reportsv1alpha1.Result("pass"))))
		Expect(report.Summary).To(Equal(reportsv1alpha1.ReportSummary{Pass: len(report.Results)}))
		EventuallyQuiet()
		Expect(reportWrites(namespace)).To(BeNumerically("<=", postureWrites(namespace)))
	})

	It("is not kept out by a quota of the profile that has no room for it", func() {
		const countPublished = "count/reports.openreports.io"
		EventuallyQuotasCount(countPublished)
		_, namespace := Governed(func(p *v1alpha1.SecurityProfile) {
			p.Spec.Quotas = append(p.Spec.Quotas, quotaOf("objects", countPublished, "0")...)
		})
		EventuallyPublished(namespace, onPolicy("pass"))
		ExpectClosed(namespace, objectsQuota, countPublished, "0")
		another := theReport(namespace)
		another.Name = "of-a-tenant"
		Eventually(func() error { return admin.Create(ctx, another.DeepCopy(), client.DryRunAll) }).
			Should(MatchError(ContainSubstring("exceeded quota: " + objectsQuota)))
	})

	It("tells what an audit would change, and what weakens the baseline", func() {
		_, namespace := Governed(fixture.Audited)
		EventuallyPublished(namespace, onPolicy(
			"fail",
			HaveField("Description", "Missing"),
			HaveField(
				"Timestamp.Seconds",
				BeNumerically(">", 0),
			),
			HaveField("Properties", HaveKeyWithValue("enforcement", "Audit")),
		))

		Expect(admin.Create(ctx, &networkingv1.NetworkPolicy{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "open"},
			Spec:       networkingv1.NetworkPolicySpec{Ingress: []networkingv1.NetworkPolicyIngressRule{{}}},
		})).To(Succeed())
		found := SatisfyAll(HaveField("Policy", "NetworkReopened"), HaveField("Rule", "NetworkPolicy/open"),
			HaveField("Result", reportsv1alpha1.Result("fail")), HaveField("Severity", reportsv1alpha1.ResultSeverity("high")),
			HaveField("Properties", HaveKey("remedy")))
		EventuallyPublished(namespace, ContainElement(found))
		Expect(
			admin.Delete(ctx, &networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "open"}}),
		).To(Succeed())
		EventuallyPublished(namespace, Not(ContainElement(found)))
	})

	It("changes with a conflict, and again once that is gone", func() {
		name := UniqueName()
		namespace, profile := name+"-a", fixture.Profile(name, fixture.OnlyNetwork)
		ExpectCreated(fixture.Namespace(namespace, name))
		stranger := &networkingv1.NetworkPolicy{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "bulwark-default-deny"},
		}
		Expect(admin.Create(ctx, stranger)).To(Succeed())
		ExpectCreated(profile)
		EventuallyPublished(namespace, onPolicy("fail", HaveField("Properties", HaveKeyWithValue("state", "Conflict"))))
		Expect(admin.Delete(ctx, stranger)).To(Succeed())
		EventuallyPublished(namespace, onPolicy("pass"))
	})

	DescribeTable("is restored", func(tamper func(*reportsv1alpha1.Report)) {
		profile, namespace := Governed(fixture.OnlyNetwork)
		EventuallyEstablished(profile, namespace)
		tamper(EventuallyPublished(namespace, onPolicy("pass")))
		EventuallyPublished(namespace, onPolicy("pass"))
	},
		Entry("after an edit", func(r *reportsv1alpha1.Report) {
			Update(r, func(r *reportsv1alpha1.Report) {
				r.Results, r.Summary.Fail, r.Source = r.Results[:1], 12, "another"
				r.ScopeSelector = &metav1.LabelSelector{}
			})
		}),
		Entry("after a deletion", func(r *reportsv1alpha1.Report) { Expect(admin.Delete(ctx, r)).To(Succeed()) }),
		Entry("after its labels are gone", func(r *reportsv1alpha1.Report) {
			Update(r, func(r *reportsv1alpha1.Report) { r.Labels, r.Results = nil, nil })
		}),
		Entry("after its owner is gone", func(r *reportsv1alpha1.Report) {
			Update(r, func(r *reportsv1alpha1.Report) { r.OwnerReferences = nil })
		}),
	)

	It("keeps the labels and annotations of others, and costs no write for them", func() {
		profile, namespace := Governed(fixture.OnlyNetwork)
		EventuallyEstablished(profile, namespace)
		report := EventuallyPublished(namespace, onPolicy("pass"))
		EventuallyQuiet()
		before := reportWrites(namespace)
		Update(report, func(r *reportsv1alpha1.Report) {
			r.Labels["team"], r.Annotations = "a", map[string]string{"note": "kept"}
		})
		Consistently(func(g Gomega) {
			g.Expect(admin.Get(ctx, client.ObjectKeyFromObject(report), report)).To(Succeed())
			g.Expect(report.Labels).To(HaveKeyWithValue("team", "a"))
			g.Expect(report.Annotations).To(HaveKeyWithValue("note", "kept"))
			g.Expect(reportWrites(namespace)).To(Equal(before))
		}).Should(Succeed())
	})

	It("of another maker is left alone, and the baseline does not suffer from it", func() {
		name := UniqueName()
		namespace, profile := name+"-a", fixture.Profile(name, fixture.OnlyNetwork)
		ExpectCreated(fixture.Namespace(namespace, name))
		stranger := theReport(namespace)
		stranger.Source = "another"
		Expect(admin.Create(ctx, stranger)).To(Succeed())
		ExpectCreated(profile)
		EventuallyEstablished(profile, namespace)
		Eventually(func() int { return reportWrites(namespace) }).Should(BeNumerically(">", 0)) // It was tried.
		Consistently(func(g Gomega) {
			found := theReport(namespace)
			g.Expect(admin.Get(ctx, client.ObjectKeyFromObject(found), found)).To(Succeed())
			g.Expect(found.ResourceVersion).To(Equal(stranger.ResourceVersion))
		}).Should(Succeed())
		Expect(admin.Delete(ctx, stranger)).To(Succeed())
		EventuallyPublished(namespace, onPolicy("pass"))
	})

	It("goes with the profile, and with the namespace", func() {
		profile, namespace := Governed(fixture.OnlyNetwork)
		EventuallyPublished(namespace, onPolicy("pass"))
		Expect(admin.Delete(ctx, profile)).To(Succeed())
		EventuallyGone(profile)
		Eventually(func() bool {
			return apierrors.IsNotFound(admin.Get(ctx, client.ObjectKeyFromObject(theReport(namespace)), theReport(namespace)))
		}).WithTimeout(90 * time.Second).Should(BeTrue()) // The garbage collector looks for new kinds every 30 seconds.

		_, second := Governed(fixture.OnlyNetwork)
		EventuallyPublished(second, onPolicy("pass"))
		Expect(admin.Delete(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: second}})).To(Succeed())
		EventuallyGone(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: second}})
	})

	It("costs no write at rest, nor after a restart, and stays when the flag is turned off", func() {
		profile, namespace := Governed()
		audited, auditedIn := Governed(fixture.Audited)
		EventuallyEstablished(profile, namespace)
		EventuallyPublished(namespace, onPolicy("pass"))
		EventuallyPublished(auditedIn, onPolicy("fail"))
		EventuallyPublishes(profile, metav1.ConditionTrue, v1alpha1.ReasonPublishing)
		EventuallyPublishes(audited, metav1.ConditionTrue, v1alpha1.ReasonPublishing)
		EventuallyQuiet()

		before := operatorWrites()
		Consistently(func() []string { return unlike(before, operatorWrites()) }).Should(BeEmpty())
		bulwark.Stop()
		bulwark = startOperatorWith(operatorConf, publishes)
		EventuallySynced(profile.Name)
		Consistently(
			func() []string { return unlike(before, operatorWrites()) },
		).WithTimeout(4 * time.Second).
			Should(BeEmpty())

		report := PublishedReport(Default, namespace)
		bulwark.Stop()
		bulwark = startOperator()
		Eventually(func(g Gomega) {
			g.Expect(admin.Get(ctx, client.ObjectKeyFromObject(profile), profile)).To(Succeed())
			g.Expect(meta.FindStatusCondition(profile.Status.Conditions, v1alpha1.ConditionPublished)).To(BeNil())
		}).Should(Succeed())
		resourceVersion := report.ResourceVersion
		Expect(admin.Get(ctx, client.ObjectKeyFromObject(report), report)).To(Succeed())
		Expect(report.ResourceVersion).To(Equal(resourceVersion))
	})
})

// postureWrites are how often the operator wrote the NamespacePosture of a namespace.
func postureWrites(namespace string) int {
	GinkgoHelper()
	n := 0
	for _, w := range operatorWrites() {
		if w.Resource == "namespacepostures" && w.Namespace == namespace {
			n++
		}
	}
	return n
}

var _ = Describe("The flag --openreports", func() {
	var health string
	restartedWith(func(o *operator.Options) {
		publishes(o)
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		Expect(err).NotTo(HaveOccurred())
		health = listener.Addr().String()
		Expect(listener.Close()).To(Succeed())
		o.HealthAddress = health
	})
	eventuallyHealthy := func() {
		GinkgoHelper()
		Eventually(func(g Gomega) {
			response, err := http.Get("http://" + health + "/readyz")
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(response.Body.Close()).To(Succeed())
			g.Expect(response.StatusCode).To(Equal(http.StatusOK))
		}).Should(Succeed())
	}

	It(
		"without the CRD costs a condition and nothing else, and is heeded once the CRD is there, and again after that was gone",
		func() {
			profile, namespace := Governed(fixture.OnlyNetwork)
			EventuallyEstablished(profile, namespace)
			message := EventuallyPublishes(profile, metav1.ConditionFalse, v1alpha1.ReasonNotInstalled)
			Expect(message).To(ContainSubstring("does not know the Reports of openreports.io/v1alpha1"))
			EventuallyReady(profile)
			eventuallyHealthy()

			permitOpenReports()
			for range 2 {
				installOpenReports()
				EventuallyPublishes(profile, metav1.ConditionTrue, v1alpha1.ReasonPublishing)
				EventuallyPublished(namespace, onPolicy("pass"))
				uninstallOpenReports()
				EventuallyPublishes(profile, metav1.ConditionFalse, v1alpha1.ReasonNotInstalled)
			}
			tampers["deletes a policy"].do(namespace)
			EventuallyEstablished(profile, namespace)
			eventuallyHealthy()
		},
	)

	It("without the permission costs a condition and nothing else, and is heeded while the permission is there", func() {
		installOpenReports()
		profile, namespace := Governed(fixture.OnlyNetwork)
		EventuallyEstablished(profile, namespace)
		message := EventuallyPublishes(profile, metav1.ConditionFalse, v1alpha1.ReasonForbidden)
		Expect(message).To(ContainSubstring("may not get, list, watch, create, update, delete reports.openreports.io"))
		EventuallyReady(profile)
		eventuallyHealthy()
		Expect(reportWrites(namespace)).To(BeZero())

		permitOpenReports()
		EventuallyPublishes(profile, metav1.ConditionTrue, v1alpha1.ReasonPublishing)
		EventuallyPublished(namespace, onPolicy("pass"))

		role := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: "bulwark-openreports"}}
		Update(role, func(r *rbacv1.ClusterRole) { r.Rules[0].Verbs = []string{"get", "list", "watch"} })
		message = EventuallyPublishes(profile, metav1.ConditionFalse, v1alpha1.ReasonForbidden)
		Expect(message).To(ContainSubstring("may not create, update, delete reports.openreports.io"))
	})
})
