package validation

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
)

// One profile that cannot be decoded fails the list of all of them, and with it the operator's
// cache: nothing is enforced.
var _ = DescribeTable(
	"A profile that is accepted can be read by the operator, with",
	func(section string) {
		out, err := kubectl(profile("readable", selecting(section)), "apply", "--server-side", "-f", "-")
		DeferCleanup(func() { ExpectKubectl("", "delete", "secprof", "readable", "--ignore-not-found") })
		if err != nil {
			Expect(out).To(ContainSubstring("is invalid:"), "it is refused, but not for its content")
			return
		}
		scheme := runtime.NewScheme()
		Expect(v1alpha1.AddToScheme(scheme)).To(Succeed())
		operator, err := client.New(plane.Config, client.Options{Scheme: scheme})
		Expect(err).NotTo(HaveOccurred())
		profiles := &v1alpha1.SecurityProfileList{}
		Expect(operator.List(ctx, profiles)).To(Succeed())
		Expect(profiles.Items).To(ContainElement(HaveField("Name", "readable")))
	},
	Entry("plain values", `quotas: [{name: a, spec: {hard: {pods: "1"}}}], `+
		`network: {policies: [{name: a, spec: {podSelector: {}, ingress: [{ports: [{port: 80}]}]}}]}`),
	Entry("a limit whose exponent is a fraction", `limits: [{type: Container, max: {cpu: "1e0.5"}}]`),
	Entry("a quota whose exponent is a fraction", `quotas: [{name: a, spec: {hard: {pods: "1e0.5"}}}]`),
	Entry(
		"a port beyond 32 bits",
		`network: {policies: [{name: a, spec: {podSelector: {}, ingress: [{ports: [{port: 99999999999}]}]}}]}`,
	),
)
