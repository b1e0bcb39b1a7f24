package integration

import (
	"bytes"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/cli"
	. "github.com/bulwark-dev/bulwark/test/framework/expect"
	"github.com/bulwark-dev/bulwark/test/framework/fixture"
)

// kubectlPosture runs a command of the plugin against the cluster, and is its exit code and what it
// says.
func kubectlPosture(args ...string) (code int, out, errs string) {
	GinkgoHelper()
	var stdout, stderr bytes.Buffer
	code = cli.Run(ctx, append(args, "--kubeconfig="+plane.Kubeconfig), cli.World{
		In: strings.NewReader(""), Out: &stdout, Err: &stderr, Now: time.Now,
		Terminal: func(any) bool { return false }, Getenv: func(string) string { return "" },
	})
	GinkgoWriter.Printf(
		"$ kubectl posture %s\n%s%s(%d)\n",
		strings.Join(args, " "),
		stdout.String(),
		stderr.String(),
		code,
	)
	return code, stdout.String(), stderr.String()
}

var _ = Describe("kubectl posture at the cluster", func() {
	It("shows how a profile stands, who changed what, and what weakens it", func() {
		profile, namespace := Governed()
		EventuallyEstablished(profile, namespace)
		EventuallyCompliance(profile, metav1.ConditionTrue, v1alpha1.ReasonCompliant)
		code, out, errs := kubectlPosture("status", profile.Name)
		Expect(code).To(Equal(cli.ExitClean), errs)
		Expect(out).To(MatchRegexp(`(?m)^%s +Enforce +yes +1/1$`, profile.Name))

		tampers["drops a direction"].do(namespace)
		EventuallyDrift(namespace, func(e v1alpha1.DriftEntry) bool { return e.State == v1alpha1.DriftStateCorrected })
		open := weaknesses["a policy that lets every namespace in"].object.DeepCopyObject().(client.Object)
		open.SetNamespace(namespace)
		Expect(admin.Create(ctx, open)).To(Succeed())
		EventuallyCompliance(profile, metav1.ConditionFalse, v1alpha1.ReasonWeakened)
		code, out, errs = kubectlPosture("status", profile.Name)
		Expect(code).To(Equal(cli.ExitFindings), errs)
		Expect(out).To(MatchRegexp(`(?m)^%s +Enforce +no +0/1 +1 weakened$`, profile.Name))
		Expect(out).To(MatchRegexp(`(?m)^%s +%s +Weakened +1 findings$`, namespace, profile.Name))
		Expect(out).To(MatchRegexp(`(?m)^High +1 +1 NetworkReopened$`))
		Expect(out).To(MatchRegexp(`Modified +Corrected +kubectl-edit +%s\s+NetworkPolicy/bulwark-default-deny`, namespace))

		other := fixture.Profile(profile.Name+"-low", fixture.Selecting(profile.Name))
		ExpectCreated(other)
		code, out, errs = kubectlPosture("explain", namespace)
		Expect(code).To(Equal(cli.ExitClean), errs)
		words := strings.Join(strings.Fields(out), " ")
		Expect(words).To(HavePrefix("SecurityProfile " + profile.Name + " governs namespace " + namespace))
		Expect(words).To(ContainSubstring("priority 0 is that of " + profile.Name + ", too, which is the smaller name"))
		Expect(words).To(ContainSubstring("Compliant ResourceQuota/bulwark-compute"))
		Expect(words).To(ContainSubstring("High NetworkReopened NetworkPolicy/open"))
		Expect(words).To(ContainSubstring("Remedy: "))
		Expect(words).To(ContainSubstring(`spec.policyTypes was ["Ingress"], not ["Ingress","Egress"]`))
	})

	It("says in words what it cannot show", func() {
		profile, namespace := Governed(fixture.OnlyNetwork)
		code, _, errs := kubectlPosture("status", "no-such-profile")
		Expect(code).To(Equal(cli.ExitError))
		Expect(errs).To(ContainSubstring("there is no SecurityProfile no-such-profile"))
		code, _, errs = kubectlPosture("explain", "no-such-namespace")
		Expect(code).To(Equal(cli.ExitError))
		Expect(errs).To(ContainSubstring("there is no namespace no-such-namespace"))

		alone := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: profile.Name + "-alone"}}
		ExpectCreated(alone)
		code, out, _ := kubectlPosture("explain", alone.Name)
		Expect(code).To(Equal(cli.ExitClean))
		Expect(out).To(HavePrefix("No SecurityProfile governs namespace " + alone.Name))
		Expect(strings.Join(strings.Fields(out), " ")).To(ContainSubstring("the namespace has no label suite"))

		code, out, errs = kubectlPosture("status", "--as=nobody")
		Expect(code).To(Equal(cli.ExitError))
		Expect(out).To(BeEmpty())
		Expect(errs).To(ContainSubstring("you may not list securityprofiles.security.bulwark.dev"))
		_, _, errs = kubectlPosture("explain", namespace, "--as=nobody")
		Expect(errs).To(ContainSubstring("you may not get namespaces"))
		Expect(errs).To(ContainSubstring("you may not get namespacepostures.security.bulwark.dev in namespace " + namespace))
	})
})
