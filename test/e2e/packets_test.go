package e2e

import (
	"fmt"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

// connection is a row of the table: somebody opens a connection, which is admitted or is not.
type connection struct {
	what     string
	from     place // the zero place is a host outside of the cluster
	to       func() (host, port string)
	admitted bool
	dns      bool // a question to that DNS server over UDP, not a TCP connection
}

// at is a port of a pod.
func at(p place, port string) func() (string, string) {
	return func() (string, string) { return addresses[p], port }
}

// service is a port of a service, by its address.
func service(namespace, name, port string) func() (string, string) {
	return func() (string, string) {
		return kubectl("-n", namespace, "get", "service", name, "-o", "jsonpath={.spec.clusterIP}"), port
	}
}

// labelled is a port of a pod with that label.
func labelled(namespace, label, port string) func() (string, string) {
	return func() (string, string) {
		return kubectl("-n", namespace, "get", "pods", "-l", label, "--field-selector=status.phase=Running",
			"-o", "jsonpath={.items[0].status.podIP}"), port
	}
}

// operator is a port of one of the operator's pods.
func operator(port string) func() (string, string) {
	return labelled(operatorNamespace, "app.kubernetes.io/name=bulwark", port)
}

// beyond is a port of an address outside of the cluster.
func beyond(i int, port string) func() (string, string) {
	return func() (string, string) { return outside()[i], port }
}

// before holds while no profile governs: the network is open, so that what is closed later is closed by policies.
var before = []connection{
	{what: "no profile yet: another namespace", from: clientF, to: at(webA, "8080"), admitted: true},
	{what: "no profile yet: to another namespace", from: clientA, to: at(webF, "8080"), admitted: true},
	{what: "no profile yet: the same namespace", from: clientS, to: at(webS, "8080"), admitted: true},
}

// governed holds while the profiles govern.
var governed = []connection{
	{what: "default-deny ingress: from an ungoverned namespace", from: clientF, to: at(webA, "8080")},
	{what: "default-deny ingress: by the Service's address", from: clientF, to: service(teamA, "web", "80")},
	{what: "default-deny egress: to an ungoverned namespace", from: clientA, to: at(webF, "8080")},
	{what: "default-deny egress: to its Service's address", from: clientA, to: service(free, "web", "80")},
	{what: "default-deny: between two governed namespaces", from: clientA, to: at(webB, "8080")},
	{what: "default-deny: and the other way", from: clientB, to: at(webA, "8080")},
	{what: "ungoverned: the same namespace", from: clientF, to: at(webF, "8080"), admitted: true},
	{what: "allowSameNamespace: a pod's address", from: clientA, to: at(webA, "8080"), admitted: true},
	{what: "allowSameNamespace: the Service's address", from: clientA, to: service(teamA, "web", "80"), admitted: true},
	{what: "allowSameNamespace: the other governed namespace", from: clientB, to: at(webB, "8080"), admitted: true},
	{what: "allowSameNamespace absent", from: clientS, to: at(webS, "8080")},
	{what: "allowDNS: UDP", from: clientA, to: service("kube-system", "kube-dns", "53"), dns: true, admitted: true},
	{what: "allowDNS: TCP", from: clientA, to: service("kube-system", "kube-dns", "53"), admitted: true},
	{what: "allowDNS: another port of its pod", from: clientA, to: labelled("kube-system", "k8s-app=kube-dns", "8181")},
	{what: "allowDNS absent: UDP", from: clientS, to: service("kube-system", "kube-dns", "53"), dns: true},
	{what: "allowDNS absent: TCP", from: clientS, to: service("kube-system", "kube-dns", "53")},
	{what: "allowAPIServer: its Service", from: clientA, to: service("default", "kubernetes", "443"), admitted: true},
	{what: "allowAPIServer: the endpoint's address", from: clientA, to: apiServer, admitted: true},
	{what: "allowAPIServer absent", from: clientS, to: service("default", "kubernetes", "443")},
	{what: "policies: from the ingress controller's pod", from: controller, to: at(webA, "8080"), admitted: true},
	{what: "policies: to another port", from: controller, to: at(webA, "8081")},
	{what: "policies: from another pod beside it", from: visitor, to: at(webA, "8080")},
	{what: "policies: to a pod that is not selected", from: controller, to: at(clientA, "8080")},
	{what: "the operator's own policy: metrics", from: clientF, to: operator("8443"), admitted: true},
	{what: "the operator's own policy: the probes' port", from: clientF, to: operator("8081")},
}

// governedOutside are the rows with hosts outside of the cluster.
var governedOutside = []connection{
	{what: "CIDR peer: the partner's address", from: clientA, to: beyond(0, "8080"), admitted: true},
	{what: "CIDR peer: another port of it", from: clientA, to: beyond(0, "8081")},
	{what: "CIDR peer: another address", from: clientA, to: beyond(1, "8080")},
	{what: "ungoverned: the same address", from: clientF, to: beyond(1, "8080"), admitted: true},
	{what: "default-deny ingress: from outside of the cluster", to: at(webA, "8080")},
	{what: "ungoverned: from outside of the cluster", to: at(webF, "8080"), admitted: true},
}

// tenants holds once the tenant of b has added a policy of its own.
var tenants = []connection{
	{what: "a tenant's policy: from the namespace it admits", from: clientF, to: at(webB, "8080"), admitted: true},
	{what: "a tenant's policy: to another port", from: clientF, to: at(webB, "8081")},
	{what: "a tenant's policy: from a namespace it does not name", from: visitor, to: at(webB, "8080")},
	{what: "a tenant's policy: the baseline of a still denies egress", from: clientA, to: at(webB, "8080")},
}

const tenantsPolicy = `apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: from-free, namespace: e2e-b}
spec:
  podSelector: {matchLabels: {app: web}}
  policyTypes: [Ingress]
  ingress:
  - from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: e2e-free}}}]
    ports: [{port: 8080}]
`

const openPolicy = `apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: from-everywhere, namespace: e2e-b}
spec:
  podSelector: {}
  policyTypes: [Ingress]
  ingress: [{}]
`

// attempt opens the connection and reports whether it was admitted. A connection that is refused met a port that nobody
// serves, and says nothing of policies: that is an error.
func (c connection) attempt() (bool, error) {
	host, port := c.to()
	if host == "" {
		return false, fmt.Errorf("%s: there is no such address", c.what)
	}
	if c.from == (place{}) {
		return dial(host, port, 2*time.Second), nil
	}
	command := []string{"nc", "-w", "2", host, port, "-e", "true"}
	if c.dns {
		command = []string{"timeout", "4", "nslookup", "-type=a", "kubernetes.default.svc.cluster.local", host}
	}
	_, err := try("", append([]string{"exec", "-n", c.from.namespace, c.from.name, "--"}, command...)...)
	if err != nil && strings.Contains(err.Error(), "refused") {
		return false, err
	}
	code, err := exitCode(err)
	return code == 0, err
}

// hold attempts each connection, and notes what was seen in the table.
func hold(when string, rows []connection) {
	GinkgoHelper()
	var failures []string
	for _, row := range rows {
		admitted, err := row.attempt()
		host, port := row.to()
		seen.add(when, row, host, port, admitted, err)
		if err != nil || admitted != row.admitted {
			failures = append(failures, fmt.Sprintf("%s: admitted %t, want %t, error %v", row.what, admitted, row.admitted, err))
		}
	}
	step("%s: %d of %d connections as expected", when, len(rows)-len(failures), len(rows))
	for _, failure := range failures {
		step("  %s", failure)
	}
	seen.write()
	Expect(failures).To(BeEmpty())
}

var _ = Describe("a governed namespace", Ordered, ContinueOnFailure, func() {
	It("has an open network before", func() { hold("before", before) })

	It("is what the profile says, for pods that ran before", func() {
		govern()
		Eventually(func() (bool, error) { return governed[0].attempt() }).Should(BeFalse())
		hold("governed", governed)
	})

	It("admits addresses outside of the cluster that the profile names", func() {
		if outside() == nil {
			Skip("OUTSIDE names no address")
		}
		hold("governed", governedOutside)
	})

	It("lets a tenant open what is its own to open", func() {
		Eventually(func() error { _, err := try(openPolicy, "apply", "--dry-run=server", "-f", "-"); return err }).
			Should(MatchError(ContainSubstring("denied request")), "a policy that opens to everybody")
		apply(tenantsPolicy)
		Eventually(func() (bool, error) { return tenants[0].attempt() }).Should(BeTrue())
		hold("with a tenant's policy", tenants)
	})

	It("has pods that comply, and refuses others", func() {
		refused("runAsNonRoot: true", "runAsNonRoot: false", `violates PodSecurity "restricted`, "Pod Security")
		refused("readOnlyRootFilesystem: true", "readOnlyRootFilesystem: false",
			"readOnlyRootFilesystem", "the profile's admission policy")
		complies()
	})

	It("is closed again when somebody deletes default-deny", func() {
		drift(webA, "while the operator runs")
		drift(webS, "while the operator runs, the namespace's only policy")
		hold("after drift", []connection{governed[0], governed[2], governed[7], governed[10], governed[18]})
	})

	It("stays closed while the leader is lost, and the next one corrects drift", func() {
		loseLeader()
	})

	It("is the same after the node was restarted", func() {
		restartNode()
		hold("after the node's restart", governed)
	})
})
