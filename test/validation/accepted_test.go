package validation

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/bulwark-dev/bulwark/test/framework/controlplane"
)

// ApplyForReal applies the manifest and returns the spec that the API server stored, until the test
// ends.
func ApplyForReal(manifest string, flags ...string) map[string]any {
	GinkgoHelper()
	DeferCleanup(func() { ExpectKubectl(manifest, "delete", "--ignore-not-found", "-f", "-") })
	return specOf(
		ExpectKubectl(manifest, append([]string{"apply", "--server-side", "-o", "json", "-f", "-"}, flags...)...),
	)
}

// specOf is the spec of a manifest, in YAML or JSON.
func specOf(manifest string) map[string]any {
	GinkgoHelper()
	data, err := yaml.YAMLToJSON([]byte(manifest))
	Expect(err).NotTo(HaveOccurred())
	object := &unstructured.Unstructured{}
	Expect(object.UnmarshalJSON(data)).To(Succeed())
	spec, found, err := unstructured.NestedMap(object.Object, "spec")
	Expect(err).NotTo(HaveOccurred())
	Expect(found).To(BeTrue())
	return spec
}

// withDefaults adds what the API server is to set where the user does not.
func withDefaults(spec map[string]any) map[string]any {
	for field, value := range map[string]any{
		"enforcement": "Enforce", "priority": int64(0), "deletionPolicy": "Delete", "adoption": "Never",
	} {
		if _, set := spec[field]; !set {
			spec[field] = value
		}
	}
	return spec
}

var _ = Describe("What is accepted", func() {
	It("gets defaults for enforcement, priority, deletionPolicy and adoption, and for nothing else", func() {
		stored := ApplyForReal(profile("defaults", selecting("podSecurity: {warn: baseline}")))
		Expect(stored).To(Equal(map[string]any{
			"enforcement": "Enforce", "priority": int64(0), "deletionPolicy": "Delete", "adoption": "Never",
			"namespaceSelector": map[string]any{},
			"podSecurity":       map[string]any{"warn": "baseline"},
		}))
	})

	It("gets no default within a section", func() {
		manifest := profile("sections", selecting(`
			network: {
				defaultDeny: [Ingress, Egress], allowDNS: {ports: [{port: 53}, {protocol: UDP, port: 53}]}, allowAPIServer: {cidrs: [10.0.0.1/32]},
				policies: [{name: a, spec: {podSelector: {}, ingress: [{ports: [{port: 80}]}]}}]},
			limits: [{type: Container, max: {cpu: 1}}],
			quotas: [{name: a, spec: {hard: {pods: 1}, scopeSelector: {matchExpressions: [{scopeName: BestEffort, operator: Exists}]}}}],
			rbac: {
				roles: [{name: a, rules: [{resources: [pods], verbs: [get]}], subjects: [{kind: Group, name: a}]}],
				bindings: [{name: b, clusterRole: view, subjects: [{kind: ServiceAccount, name: a}]}],
				serviceAccounts: [{name: a}], defaultServiceAccount: {}}
		`))
		Expect(ApplyForReal(manifest)).To(Equal(withDefaults(specOf(manifest))))
	})

	It("are the samples, each stored as it is written", func() {
		Expect(strings.Count(ExpectKubectl("", "apply", "--server-side", "--dry-run=server", "-k", "config/samples"),
			"serverside-applied")).To(Equal(len(samples())))
		for _, sample := range samples() {
			Expect(ApplyForReal(sample)).To(Equal(withDefaults(specOf(sample))))
		}
	})

	It("merges by name the quotas that two field managers apply", func() {
		const one, two = `{name: compute, spec: {hard: {pods: "1"}}}`, `{name: objects, spec: {hard: {secrets: "2"}}}`
		quotas := func(items ...string) string {
			return profile("shared", selecting("quotas: ["+strings.Join(items, ", ")+"]"))
		}
		ApplyForReal(quotas(one), "--field-manager=one")
		Expect(ApplyForReal(quotas(two), "--field-manager=two")).To(Equal(withDefaults(specOf(quotas(one, two)))))

		By("keeping to the other's item where one changes its own")
		more := strings.Replace(one, `"1"`, `"3"`, 1)
		Expect(ApplyForReal(quotas(more), "--field-manager=one")).To(Equal(withDefaults(specOf(quotas(more, two)))))

		By("refusing one to change the other's")
		out, err := kubectl(quotas(more), "apply", "--server-side", "--field-manager=two", "-f", "-")
		Expect(err).NotTo(HaveOccurred(), "the same value may be shared: %s", out)
		out, err = kubectl(quotas(one), "apply", "--server-side", "--field-manager=two", "-f", "-")
		Expect(err).To(HaveOccurred())
		Expect(out).To(ContainSubstring(`conflict with "one": .spec.quotas[name="compute"].spec.hard.pods`))
	})
})

// samples are the manifests of config/samples.
func samples() []string {
	GinkgoHelper()
	files, err := filepath.Glob(filepath.Join(controlplane.Root(), "config", "samples", "*.yaml"))
	Expect(err).NotTo(HaveOccurred())
	var manifests []string
	for _, file := range files {
		if filepath.Base(file) == "kustomization.yaml" {
			continue
		}
		data, err := os.ReadFile(file)
		Expect(err).NotTo(HaveOccurred())
		manifests = append(manifests, string(data))
	}
	Expect(manifests).NotTo(BeEmpty())
	return manifests
}

var _ = Describe("kubectl", func() {
	BeforeEach(func() {
		ApplyForReal(profile("shown", selecting("podSecurity: {warn: baseline}, enforcement: Audit, priority: 7")))
		report := fmt.Sprintf(posture, "posture")
		DeferCleanup(func() { ExpectKubectl(report, "delete", "-f", "-") })
		ExpectKubectl(report, "apply", "--server-side", "-f", "-")
	})

	It("lists profiles by their short name", func() {
		// kubectl leaves a column blank that has not been reported yet.
		Expect(table("get", "secprof")).To(HaveExactElements(
			HaveExactElements("NAME", "MODE", "PRIORITY", "SELECTED", "COMPLIANT", "DRIFTED", "READY", "AGE"),
			HaveExactElements("shown", "Audit", "7", MatchRegexp(`^\d+s$`)),
		))
	})

	It("lists reports of every namespace by their short name", func() {
		Expect(table("get", "nspost", "-A")).To(HaveExactElements(
			HaveExactElements(
				"NAMESPACE",
				"NAME",
				"PROFILE",
				"MODE",
				"READY",
				"COMPLIANT",
				"DRIFTED",
				"CONFLICTED",
				"FAILED",
				"AGE",
			),
			HaveExactElements("default", "posture", "example", "Enforce", "True", "1", "2", "3", "4", MatchRegexp(`^\d+s$`)),
		))
	})

	It("lists both by their category", func() {
		Expect(strings.Fields(ExpectKubectl("", "get", "security", "-o", "name"))).To(ConsistOf(
			"securityprofile.security.bulwark.dev/shown", "namespaceposture.security.bulwark.dev/posture"))
	})

	It("explains a field", func() {
		explained := strings.Join(strings.Fields(ExpectKubectl("", "explain", "securityprofile.spec.network.allowDNS")), " ")
		Expect(explained).To(And(
			ContainSubstring("FIELD: allowDNS <Object>"),
			ContainSubstring("allowDNS admits egress to the cluster's DNS. {} is pods labelled k8s-app=kube-dns in kube-system"),
			ContainSubstring("Defaults to 53 over UDP and TCP."),
		))
	})
})

// table is what kubectl prints, by lines and words.
func table(args ...string) [][]string {
	GinkgoHelper()
	var rows [][]string
	for line := range strings.Lines(ExpectKubectl("", args...)) {
		rows = append(rows, strings.Fields(line))
	}
	return rows
}
