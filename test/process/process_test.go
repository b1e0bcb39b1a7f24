package process

import (
	"crypto/tls"
	"io"
	"net/http"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/gbytes"
	"github.com/onsi/gomega/gexec"
	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	flowcontrolv1 "k8s.io/api/flowcontrol/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/test/framework/fixture"
)

// insecure believes any certificate: the operator's is its own.
var insecure = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}

// get is the status and the body of an answer.
func get(url, token string) (int, string) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	Expect(err).NotTo(HaveOccurred())
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := insecure.Do(request)
	if err != nil {
		return 0, err.Error()
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	Expect(err).NotTo(HaveOccurred())
	return response.StatusCode, string(body)
}

func (p *process) ready() int {
	status, _ := get("http://"+p.health+"/readyz", "")
	return status
}

var _ = Describe("The operator as a process", Ordered, func() {
	BeforeAll(func() { // Other specs install it, and may have run before.
		out, err := plane.Kubectl(ctx, "delete", "-k", "config/crd", "--ignore-not-found", "--wait").CombinedOutput()
		Expect(err).NotTo(HaveOccurred(), string(out))
	})

	It("ends with the remedy if its CRDs are not installed", func() {
		p := started(plane.Kubeconfig)
		Eventually(p).Should(gexec.Exit(1))
		Expect(
			p.said(),
		).To(gbytes.Say(`CustomResourceDefinition is not installed. Remedy: kubectl apply --server-side -k config/crd`))
	})

	It("ends with the remedy if only the CRD of NamespacePosture is missing", func() {
		for _, args := range [][]string{
			{"apply", "--server-side", "-f", "config/crd/bases/security.bulwark.dev_securityprofiles.yaml"},
			{"wait", "--for=condition=Established", "crd", "securityprofiles.security.bulwark.dev"},
		} {
			out, err := plane.Kubectl(ctx, args...).CombinedOutput()
			Expect(err).NotTo(HaveOccurred(), string(out))
		}
		p := started(plane.Kubeconfig)
		Eventually(p).Should(gexec.Exit(1))
		Expect(p.said()).To(gbytes.Say(`does not know the kind NamespacePosture`))
	})

	It("ends with the reason if a flag is wrong", func() {
		for flag, reason := range map[string]string{
			"--log-format=xml":              "--log-format must be json or text",
			"--log-level=loud":              "--log-level",
			"--concurrency=0":               "--concurrency must be at least 1",
			"--protected-namespaces=a,[b":   "syntax error in pattern",
			"--contest-threshold=0":         "a threshold of at least 1",
			"--removal-delay=0s":            "--removal-delay must be longer than 0",
			"--join-grace=-1s":              "--join-grace must be longer than 0",
			"--no-such-flag":                "flag provided but not defined",
			"--metrics-bind-address=nobody": "nobody",
		} {
			installed()
			p := started(plane.Kubeconfig, flag)
			Eventually(p).Should(gexec.Exit(1), flag)
			Expect(p.said()).To(gbytes.Say(reason), flag)
		}
	})

	It("is not ready, and says why, while it may not watch what it must; and becomes ready", func() {
		installed()
		binding := &rbacv1.ClusterRoleBinding{}
		Expect(admin.Get(ctx, client.ObjectKey{Name: "bulwark-manager"}, binding)).To(Succeed())
		Expect(admin.Delete(ctx, binding)).To(Succeed())
		p := started(kubeconfig, "--leader-elect=false")
		Eventually(
			p.said(),
		).Should(gbytes.Say(`The operator lacks what it needs.*watch namespaces.*create networkpolicies\.networking\.k8s\.io.*Remedy`))
		Expect(p.ready()).To(Equal(http.StatusInternalServerError))
		Expect(admin.Create(ctx, &rbacv1.ClusterRoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: binding.Name}, RoleRef: binding.RoleRef, Subjects: binding.Subjects,
		})).To(Succeed())
		Eventually(p.ready).WithTimeout(90 * time.Second).Should(Equal(http.StatusOK))
	})

	It("serves metrics over TLS to whom the API server permits it, and to nobody else", func() {
		installed()
		p := started(kubeconfig, "--leader-elect=false")
		Eventually(p.ready).Should(Equal(http.StatusOK))
		url := "https://" + p.metrics + "/metrics"
		answers := func(token string) func() int {
			return func() int { status, _ := get(url, token); return status }
		}
		Eventually(answers("")).Should(Equal(http.StatusUnauthorized))

		prometheus := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "prometheus"}}
		Expect(admin.Create(ctx, prometheus)).To(Succeed())
		cfg, err := plane.ServiceAccountConfig(ctx, "default", "prometheus")
		Expect(err).NotTo(HaveOccurred())
		Eventually(answers(cfg.BearerToken)).Should(Equal(http.StatusForbidden))
		Expect(admin.Create(ctx, &rbacv1.ClusterRoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: "prometheus"},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "bulwark-metrics-reader"},
			Subjects:   []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: "default", Name: "prometheus"}},
		})).To(Succeed())
		Eventually(answers(cfg.BearerToken)).WithTimeout(40 * time.Second).Should(Equal(http.StatusOK))
		_, body := get(url, cfg.BearerToken)
		Expect(body).To(ContainSubstring("bulwark_correction_duration_seconds_count"))
		Expect(body).To(ContainSubstring(`controller_runtime_reconcile_total{controller="namespace"`))
	})

	It("ends with status 0 when told to, and gives the Lease up", func() {
		installed()
		p := started(kubeconfig)
		lease := &coordinationv1.Lease{}
		key := client.ObjectKey{Namespace: v1alpha1.OperatorNamespace, Name: "bulwark.security.bulwark.dev"}
		Eventually(func(g Gomega) {
			g.Expect(admin.Get(ctx, key, lease)).To(Succeed())
			g.Expect(*lease.Spec.HolderIdentity).NotTo(BeEmpty())
			g.Expect(lease.Spec.RenewTime.After(lease.Spec.AcquireTime.Time)).To(BeTrue(), "it leads, and has for a moment")
		}).Should(Succeed())
		Eventually(p.ready).Should(Equal(http.StatusOK))
		p.Terminate()
		Eventually(p).Should(gexec.Exit(0))
		Expect(admin.Get(ctx, key, lease)).To(Succeed())
		Expect(*lease.Spec.HolderIdentity).To(BeEmpty())
	})

	It("is replaced by another replica when it is killed", func() {
		installed()
		first := started(kubeconfig)
		namespace := fixture.Namespace("failover", "failover")
		profile := fixture.Profile("failover", fixture.OnlyNetwork)
		Expect(admin.Create(ctx, namespace)).To(Succeed())
		Expect(admin.Create(ctx, profile)).To(Succeed())
		policy := &networkingv1.NetworkPolicy{}
		key := client.ObjectKey{Namespace: "failover", Name: "bulwark-default-deny"}
		Eventually(func() error { return admin.Get(ctx, key, policy) }).Should(Succeed())

		second := started(kubeconfig)
		Eventually(second.ready).Should(Equal(http.StatusOK), "a replica that is not the leader is ready too")
		first.Kill()
		Eventually(first).Should(gexec.Exit())
		Expect(admin.Delete(ctx, policy)).To(Succeed())
		began := time.Now()
		Eventually(func() error { return admin.Get(ctx, key, policy) }).WithTimeout(40 * time.Second).Should(Succeed())
		AddReportEntry("from the leader's death to the correction", time.Since(began))

		Expect(admin.Delete(ctx, profile)).To(Succeed())
		Eventually(func() error {
			return client.IgnoreNotFound(admin.Get(ctx, client.ObjectKeyFromObject(profile), profile))
		}).Should(Succeed())
	})

	It(
		"is installed by config/default on a cluster as it is, and its pods meet the restricted standard that its namespace enforces",
		func() {
			out, err := plane.Kubectl(ctx, "apply", "--server-side", "--force-conflicts", "-k", "config/default").
				CombinedOutput()
			Expect(err).NotTo(HaveOccurred(), string(out))
			Expect(string(out)).NotTo(ContainSubstring("Warning"))
			deployment := &appsv1.Deployment{}
			Expect(
				admin.Get(ctx, client.ObjectKey{Namespace: v1alpha1.OperatorNamespace, Name: "bulwark-manager"}, deployment),
			).To(Succeed())
			Eventually(func(g Gomega) { // The ReplicaSet's pods are admitted, though nothing runs them here.
				pods := &corev1.PodList{}
				g.Expect(admin.List(ctx, pods, client.InNamespace(v1alpha1.OperatorNamespace))).To(Succeed())
				g.Expect(pods.Items).To(HaveLen(int(*deployment.Spec.Replicas)))
			}).Should(Succeed())
		},
	)

	It(
		"is shipped with every value that the API server would default, so that nothing differs from git",
		everyDefaultIsShipped,
	)

	It("is shipped in folders that are all applied by that", everyFolderIsApplied)

	It("adds its health checks to Argo CD's ConfigMap and keeps what that holds", healthChecksAreAdded)

	It("is served at the priority level bulwark with config/flowcontrol", func() {
		installed()
		out, err := plane.Kubectl(ctx, "apply", "--server-side", "-k", "config/flowcontrol").CombinedOutput()
		Expect(err).NotTo(HaveOccurred(), string(out))
		schema := &flowcontrolv1.FlowSchema{}
		Expect(admin.Get(ctx, client.ObjectKey{Name: "bulwark"}, schema)).To(Succeed())
		level := &flowcontrolv1.PriorityLevelConfiguration{}
		Expect(admin.Get(ctx, client.ObjectKey{Name: "bulwark"}, level)).To(Succeed())
		cfg, err := plane.OperatorConfig(ctx)
		Expect(err).NotTo(HaveOccurred())
		asOperator, err := rest.HTTPClientFor(cfg)
		Expect(err).NotTo(HaveOccurred())
		Eventually(func(g Gomega) { // The API server hears of it by a watch of its own.
			request, err := http.NewRequestWithContext(ctx, http.MethodGet, cfg.Host+"/api/v1/namespaces", nil)
			g.Expect(err).NotTo(HaveOccurred())
			response, err := asOperator.Do(request)
			g.Expect(err).NotTo(HaveOccurred())
			defer response.Body.Close()
			g.Expect(response.Header.Get("X-Kubernetes-PF-FlowSchema-UID")).To(Equal(string(schema.UID)))
			g.Expect(response.Header.Get("X-Kubernetes-PF-PriorityLevel-UID")).To(Equal(string(level.UID)))
		}).Should(Succeed())
	})
})
