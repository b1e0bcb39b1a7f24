package validation

import (
	"fmt"
	"math/rand/v2"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

const generatedProfiles = 1500

var _ = Describe("A profile of generated parts, sound ones and odd ones", func() {
	It("is accepted only if Kubernetes accepts all that is rendered of it", func() {
		seed := GinkgoRandomSeed()
		accepted, refused := 0, 0
		for i := range generatedProfiles {
			g := &generator{rand.New(rand.NewPCG(uint64(seed), uint64(i)))}
			sections := g.sections()
			err := createProfile(sections)
			if err != nil {
				Expect(apierrors.IsInvalid(err) || apierrors.IsBadRequest(err)).To(BeTrue(), "%v\n%s", err, sections)
				refused++
				continue
			}
			accepted++
			Expect(createRendered(sections)).To(Succeed(), "-ginkgo.seed=%d, profile %d:\n%s", seed, i, sections)
		}
		// Else the parts are such that the spec shows little.
		Expect(accepted).To(BeNumerically(">", generatedProfiles/5), "%d were refused", refused)
		Expect(refused).To(BeNumerically(">", generatedProfiles/5), "%d were accepted", accepted)
	})
})

// generator makes sections of profiles, as the inside of a YAML flow mapping.
type generator struct{ *rand.Rand }

// of is one of the sound values, or once in a while one of those that Kubernetes refuses, or that
// Bulwark does.
func (g *generator) of(sound, odd []string) string {
	if len(odd) > 0 && g.IntN(40) == 0 {
		return odd[g.IntN(len(odd))]
	}
	return sound[g.IntN(len(sound))]
}

// some are a few of what is made, between least and most.
func (g *generator) some(least, most int, make func() string) string {
	var made []string
	for range least + g.IntN(most-least+1) {
		made = append(made, make())
	}
	return strings.Join(made, ", ")
}

// map of distinct keys.
func (g *generator) entries(most int, make func() (string, string)) string {
	values := map[string]string{}
	var keys []string
	for range g.IntN(most + 1) {
		key, value := make()
		if _, given := values[key]; !given {
			keys = append(keys, key)
		}
		values[key] = value
	}
	var made []string
	for _, key := range keys {
		made = append(made, fmt.Sprintf("%q: %s", key, values[key]))
	}
	return strings.Join(made, ", ")
}

func (g *generator) sections() string {
	sections := []string{"podSecurity: {warn: baseline}"}
	for _, section := range []func() string{g.network, g.limits, g.quotas, g.rbac} {
		if g.IntN(2) == 0 {
			sections = append(sections, section())
		}
	}
	return strings.Join(sections, ", ")
}

func (g *generator) network() string {
	n := 0
	denied := g.of([]string{"[Ingress, Egress]"}, []string{"[Egress]", "[Ingress]"})
	policies := g.some(1, 2, func() string {
		n++
		types := g.of(
			[]string{"", "policyTypes: [Egress], ", "policyTypes: [Ingress, Egress], "},
			[]string{"policyTypes: [Both], "},
		)
		return fmt.Sprintf("{name: p%d, spec: {%spodSelector: {%s}, ingress: [%s], egress: [%s]}}", n, types, g.selector(),
			g.some(0, 2, func() string { return g.rule("from") }), g.some(0, 2, func() string { return g.rule("to") }))
	})
	dns := g.of([]string{"", fmt.Sprintf("allowDNS: {cidrs: [%q]}, ", g.cidr())}, nil)
	return fmt.Sprintf("network: {defaultDeny: %s, %spolicies: [%s]}", denied, dns, policies)
}

func (g *generator) rule(peers string) string {
	return fmt.Sprintf("{%s: [%s], ports: [%s]}", peers, g.some(0, 2, g.peer), g.some(0, 2, g.port))
}

func (g *generator) peer() string {
	block := fmt.Sprintf("ipBlock: {cidr: %q}", g.cidr())
	if g.IntN(3) == 0 {
		excepts := []string{`"10.1.0.0/16"`, `"10.128.0.0/9"`, `"10.0.0.1/32"`}
		block = fmt.Sprintf("ipBlock: {cidr: 10.0.0.0/8, except: [%s]}", g.some(0, 3, func() string {
			return g.of(excepts, []string{`"10.0.0.0/8"`, `"11.0.0.0/16"`, `"10.1.0.0/8"`, `"::/64"`, `"10.01.0.0/16"`})
		}))
	}
	return "{" + g.of([]string{
		block,
		"podSelector: {" + g.selector() + "}",
		"namespaceSelector: {" + g.selector() + "}",
		"podSelector: {}, namespaceSelector: {" + g.selector() + "}",
	}, []string{"", block + ", podSelector: {}"}) + "}"
}

func (g *generator) cidr() string {
	return g.of([]string{"10.0.0.0/8", "0.0.0.0/0", "2001:DB8::/32", "169.254.20.10/32", "64:ff9b::192.0.2.1/128"},
		[]string{"10.0.0.1/8", "010.0.0.0/8", "::ffff:10.0.0.0/104", "10.0.0.0", "2001:db8::1/32", "::/129", "fe80::%1/64"})
}

func (g *generator) port() string {
	return "{" + g.of([]string{
		"port: 80",
		"port: http",
		"protocol: UDP, port: 53",
		"port: 1000, endPort: 2000",
		"protocol: SCTP",
		"port: 65535, endPort: 65535",
		`port: "8080-tcp"`,
	}, []string{"port: 0", "port: 70000", "port: HTTP", "port: http, endPort: 90", "endPort: 90", "port: 80, endPort: 79", "protocol: ICMP", `port: "80"`, "port: a--b"}) + "}"
}

func (g *generator) selector() string {
	return g.of([]string{
		"",
		"matchLabels: {app: web}",
		`matchLabels: {example.com/app: ""}`,
		"matchExpressions: [{key: a, operator: In, values: [b, c]}]",
		"matchExpressions: [{key: a.b/c, operator: DoesNotExist}]",
		"matchLabels: {a: b}, matchExpressions: [{key: a, operator: NotIn, values: [c]}]",
	}, []string{
		`matchLabels: {"a b": c}`,
		`matchLabels: {a: "b c"}`,
		"matchExpressions: [{key: a, operator: In}]",
		"matchExpressions: [{key: a, operator: Exists, values: [b]}]",
		"matchExpressions: [{key: /a, operator: Exists}]",
		`matchExpressions: [{key: a, operator: In, values: ["-"]}]`,
	})
}

func (g *generator) quantity() string {
	return g.of(
		[]string{
			"0",
			"1",
			`"2"`,
			"3",
			`"1.5"`,
			"500m",
			"1Gi",
			"4Gi",
			"1k",
			`"1e3"`,
			"100u",
			`"0.9999"`,
			"1E",
			"9223372036854775807",
		},
		[]string{"-1", `"-500m"`, `"1e999"`, `"1e0.5"`},
	)
}

func (g *generator) limits() string {
	kinds := []string{"Container", "Pod", "PersistentVolumeClaim"}
	g.Shuffle(len(kinds), func(i, j int) { kinds[i], kinds[j] = kinds[j], kinds[i] })
	var items []string
	for _, kind := range kinds[:1+g.IntN(2)] {
		resources := []string{"cpu", "memory", "hugepages-2Mi", "example.com/gpu"}
		lists := []string{"max", "min", "maxLimitRequestRatio"}
		switch kind {
		case "Container":
			lists = append(lists, "default", "defaultRequest")
		case "PersistentVolumeClaim":
			resources = []string{"storage"}
		}
		item := "type: " + kind
		for _, list := range lists {
			if g.IntN(2) == 0 {
				item += fmt.Sprintf(", %s: {%s}", list, g.entries(2, func() (string, string) {
					return g.of(resources, []string{"pods", "storage", "requests.cpu", "a b/c"}), g.quantity()
				}))
			}
		}
		items = append(items, "{"+item+"}")
	}
	return "limits: [" + strings.Join(items, ", ") + "]"
}

func (g *generator) quotas() string {
	n := 0
	return "quotas: [" + g.some(1, 2, func() string {
		n++
		hard := g.entries(3, func() (string, string) {
			return g.of([]string{
				"pods",
				"cpu",
				"requests.memory",
				"limits.cpu",
				"services",
				"count/deployments.apps",
				"requests.example.com/gpu",
				"requests.storage",
				"count/pods",
				"gold.storageclass.storage.k8s.io/persistentvolumeclaims",
				"hugepages-2Mi",
				"ephemeral-storage",
				"resourcequotas",
			}, []string{"pod", "count/jobs", "example.com/gpu", "storage", "a/b/c", "count/Pods"}), g.quantity()
		})
		scopes := ""
		if g.IntN(3) == 0 {
			scopes = ", " + g.of([]string{
				"scopes: [NotTerminating]", "scopes: [BestEffort]", "scopes: []", "scopeSelector: {}",
				"scopeSelector: {matchExpressions: [{scopeName: PriorityClass, operator: In, values: [high]}]}",
				"scopeSelector: {matchExpressions: [{scopeName: VolumeAttributesClass, operator: Exists}]}",
			}, []string{
				"scopes: [Burstable]",
				"scopes: [BestEffort, NotBestEffort]",
				"scopeSelector: {matchExpressions: [{scopeName: BestEffort, operator: In, values: [a]}]}",
				"scopeSelector: {matchExpressions: [{scopeName: PriorityClass, operator: In}]}",
			})
		}
		return fmt.Sprintf("{name: q%d, spec: {hard: {%s}%s}}", n, hard, scopes)
	}) + "]"
}

func (g *generator) rbac() string {
	subject := func() string {
		return "{" + g.of(
			[]string{
				"kind: Group, name: devs",
				"kind: User, name: Jane",
				"kind: ServiceAccount, name: app",
				"kind: ServiceAccount, name: app, namespace: ci, apiGroup: rbac.authorization.k8s.io",
			},
			[]string{
				"kind: ServiceAccount, name: App",
				"kind: ServiceAccount, name: a:b",
				`kind: User, name: ""`,
				"kind: user, name: a",
			},
		) + "}"
	}
	rule := "{" + g.of(
		[]string{
			"resources: [pods], verbs: [get]",
			"apiGroups: [apps], resources: [deployments/scale], verbs: [update]",
			"resources: [pods], resourceNames: [a], verbs: [create]",
		},
		[]string{
			"resources: [], verbs: [get]",
			"resources: [Pods], verbs: [get]",
			"resources: [pods], verbs: []",
			"apiGroups: [apps/v1], resources: [deployments], verbs: [get]",
		},
	) + "}"
	role := g.of([]string{"view", "Some role", "a:b"}, []string{"a/b", "..", "a%b"})
	return fmt.Sprintf(
		"rbac: {roles: [{name: r, rules: [%s], subjects: [%s]}], bindings: [{name: b, clusterRole: %q, subjects: [%s]}]}",
		rule,
		g.some(0, 2, subject),
		role,
		g.some(1, 2, subject),
	)
}
