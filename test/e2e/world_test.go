package e2e

import (
	"fmt"
	"os"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

// The namespaces of the suite. Profile e2e governs a and b, profile e2e-strict governs strict.
const (
	teamA   = "e2e-a"
	teamB   = "e2e-b"
	strict  = "e2e-strict"
	free    = "e2e-free"
	ingress = "e2e-ingress"
)

// place is a pod of the world, by its namespace and name.
type place struct{ namespace, name string }

var (
	webA, clientA       = place{teamA, "web"}, place{teamA, "client"}
	webB, clientB       = place{teamB, "web"}, place{teamB, "client"}
	webS, clientS       = place{strict, "web"}, place{strict, "client"}
	webF, clientF       = place{free, "web"}, place{free, "client"}
	controller, visitor = place{ingress, "controller"}, place{ingress, "visitor"}
	everywhere          = []place{webA, clientA, webB, clientB, webS, clientS, webF, clientF, controller, visitor}
	addresses           = map[place]string{}
)

func (p place) String() string { return strings.TrimPrefix(p.namespace, "e2e-") + "/" + p.name }

// manifest is a pod that the restricted Pod Security Standard admits. Each serves 8080 and 8081.
func (p place) manifest() string {
	return fmt.Sprintf(`apiVersion: v1
kind: Pod
metadata: {name: %[2]s, namespace: %[1]s, labels: {app: %[2]s}}
spec:
  terminationGracePeriodSeconds: 0
  securityContext: {runAsNonRoot: true, runAsUser: 65532, seccompProfile: {type: RuntimeDefault}}
  containers:
  - name: busybox
    image: %[3]s
    command: [sh, -c, "httpd -p 8081 -h /; exec httpd -f -p 8080 -h /"]
    readinessProbe: {tcpSocket: {port: 8080}, periodSeconds: 1}
    securityContext: {allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}}
---
`, p.namespace, p.name, setting("E2E_IMAGE", "localhost/busybox:1"))
}

// makeWorld makes the namespaces, which nothing governs yet, and their pods.
func makeWorld() {
	GinkgoHelper()
	step("making namespaces and pods")
	var objects strings.Builder
	for _, name := range []string{teamA, teamB, strict, free, ingress} {
		fmt.Fprintf(&objects, "{apiVersion: v1, kind: Namespace, metadata: {name: %s}}\n---\n", name)
		remove("namespace", name)
	}
	for _, name := range []string{teamA, free} {
		fmt.Fprintf(&objects, "{apiVersion: v1, kind: Service, metadata: {name: web, namespace: %s}, "+
			"spec: {selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}}\n---\n", name)
	}
	apply(objects.String())
	for _, p := range everywhere {
		Eventually(func() error { _, err := try(p.manifest(), "apply", "-f", "-"); return err }).Should(Succeed())
	}
	remove("securityprofile", "e2e", "e2e-strict") // Before the namespaces: the last is the first.
	awaitWorld()
}

// awaitWorld waits until every pod is ready, and learns its address.
func awaitWorld() {
	GinkgoHelper()
	for _, p := range everywhere {
		kubectl("-n", p.namespace, "wait", "--for=condition=Ready", "pod/"+p.name, "--timeout=180s")
		addresses[p] = kubectl("-n", p.namespace, "get", "pod", p.name, "-o", "jsonpath={.status.podIP}")
	}
}

// outside are the addresses outside of the cluster.
func outside() []string {
	if list := os.Getenv("OUTSIDE"); list != "" {
		return strings.Split(list, ",")
	}
	return nil
}

// apiServer is an address and the port of the API server's endpoints.
func apiServer() (string, string) {
	GinkgoHelper()
	slice := []string{"get", "endpointslices", "-n", "default", "-l", "kubernetes.io/service-name=kubernetes", "-o"}
	return kubectl(append(slice, "jsonpath={.items[0].endpoints[0].addresses[0]}")...),
		kubectl(append(slice, "jsonpath={.items[0].ports[0].port}")...)
}

// profiles are those of the suite.
func profiles() string {
	GinkgoHelper()
	address, port := apiServer()
	toCIDR := ""
	if o := outside(); o != nil {
		toCIDR = fmt.Sprintf(`
    - name: to-partner
      spec:
        podSelector: {}
        policyTypes: [Egress]
        egress: [{to: [{ipBlock: {cidr: %s/32}}], ports: [{port: 8080}]}]`, o[0])
	}
	return fmt.Sprintf(`apiVersion: security.bulwark.dev/v1alpha1
kind: SecurityProfile
metadata: {name: e2e}
spec:
  namespaceSelector: {matchLabels: {e2e: open}}
  podSecurity: {enforce: restricted}
  network:
    defaultDeny: [Ingress, Egress]
    allowDNS: {}
    allowSameNamespace: {}
    allowAPIServer: {cidrs: [%s/32], ports: [%s]}
    tenantPolicies: Within
    policies:
    - name: from-ingress
      spec:
        podSelector: {matchLabels: {app: web}}
        policyTypes: [Ingress]
        ingress:
        - from:
          - namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: %s}}
            podSelector: {matchLabels: {app: controller}}
          ports: [{port: 8080}]%s
  workloads: {readOnlyRootFilesystem: Require}
  limits:
  - type: Container
    default: {cpu: 200m, memory: 64Mi}
    defaultRequest: {cpu: 10m, memory: 16Mi}
  rbac: {defaultServiceAccount: {automountServiceAccountToken: false}}
---
apiVersion: security.bulwark.dev/v1alpha1
kind: SecurityProfile
metadata: {name: e2e-strict}
spec:
  namespaceSelector: {matchLabels: {e2e: strict}}
  network: {defaultDeny: [Ingress, Egress]}
`, address, port, ingress, toCIDR)
}

// govern applies the profiles, and waits until the namespaces' baselines are in place.
func govern() {
	GinkgoHelper()
	step("applying the profiles")
	apply(profiles())
	kubectl("label", "namespace", teamA, teamB, "e2e=open")
	kubectl("label", "namespace", strict, "e2e=strict")
	for _, namespace := range []string{teamA, teamB, strict} {
		Eventually(func() error {
			_, err := try("", "-n", namespace, "wait", "--for=condition=Ready", "namespaceposture/posture", "--timeout=30s")
			return err
		}).Should(Succeed(), namespace)
	}
	for _, profile := range []string{"e2e", "e2e-strict"} {
		kubectl("wait", "--for=condition=Ready", "securityprofile/"+profile, "--timeout=120s")
	}
}
