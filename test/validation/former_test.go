package validation

import (
	"fmt"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

// ExpectFormerRefused checks that a profile is refused that has the bad value, which was good once,
// and that plain apply and create name the field and its present form. A server-side apply finds a
// value of another type before the schema does, and says less.
func ExpectFormerRefused(r refusal) {
	former := profile("example", fmt.Sprintf(r.in, r.bad))
	ExpectAccepted(profile("example", fmt.Sprintf(r.in, r.good)))
	for _, verb := range []string{"create", "apply"} {
		out, err := kubectl(former, verb, "--dry-run=server", "-f", "-")
		Expect(err).To(HaveOccurred(), "it was accepted:\n%s", former)
		Expect(out).To(MatchRegexp(complaint(r.path, r.reason)), former)
	}
	_, err := kubectl(former, "apply", "--server-side", "--dry-run=server", "-f", "-")
	Expect(err).To(HaveOccurred(), "it was accepted:\n%s", former)
}

var _ = DescribeTable("A profile in a former form is refused, and told the present one, for", ExpectFormerRefused,
	Entry("a read-only root that is true", refusal{
		in: selecting(`workloads: {readOnlyRootFilesystem: %s}`), good: "Require", bad: "true",
		path: "spec.workloads.readOnlyRootFilesystem", reason: `supported values: "Require"`,
	}),
	Entry("a user that is not root that is true", refusal{
		in: selecting(`workloads: {runAsNonRoot: %s}`), good: "Require", bad: "true",
		path: "spec.workloads.runAsNonRoot", reason: `supported values: "Require"`,
	}),
	Entry("dropped capabilities that are true", refusal{
		in: selecting(`workloads: {dropAllCapabilities: %s}`), good: "Require", bad: "true",
		path: "spec.workloads.dropAllCapabilities", reason: `supported values: "Require"`,
	}),
	Entry("host paths without a policy", refusal{
		in: selecting(`workloads: {hostPath: {%s}}`), good: "policy: Forbid", bad: "",
		path: "spec.workloads.hostPath.policy", reason: "Required value",
	}),
	Entry("allowed host paths without a policy", refusal{
		in:   selecting(`workloads: {hostPath: {%sallowed: [{pathPrefix: /var/log}]}}`),
		good: "policy: AllowListed, ", bad: "",
		path: "spec.workloads.hostPath.policy", reason: "Required value",
	}),
	Entry("mounts of a host path whose readOnly is true", refusal{
		in:   selecting(`workloads: {hostPath: {policy: AllowListed, allowed: [{pathPrefix: /var/log, readOnly: %s}]}}`),
		good: "Require", bad: "true",
		path: "spec.workloads.hostPath.allowed[0].readOnly", reason: `supported values: "Require"`,
	}),
	Entry("host ports without a policy", refusal{
		in: selecting(`workloads: {hostPort: {%s}}`), good: "policy: Forbid", bad: "",
		path: "spec.workloads.hostPort.policy", reason: "Required value",
	}),
	Entry("tolerations without a policy", refusal{
		in: selecting(`workloads: {tolerations: {%s}}`), good: "policy: Forbid", bad: "",
		path: "spec.workloads.tolerations.policy", reason: "Required value",
	}),
	Entry("priority classes without a policy", refusal{
		in: selecting(`workloads: {priorityClasses: {%s}}`), good: "policy: Forbid", bad: "",
		path: "spec.workloads.priorityClasses.policy", reason: "Required value",
	}),
	Entry("requireDigest", refusal{
		in: selecting(`images: {pullPolicy: Always, %s}`), good: "digest: Require", bad: "requireDigest: true",
		path: "spec.images.requireDigest", reason: "requireDigest: true is now digest: Require",
	}),
	Entry("a gate that is true", refusal{
		in: selecting(`podSecurity: {enforce: baseline}, protection: {readyGate: %s}`), good: "Require", bad: "true",
		path: "spec.protection.readyGate", reason: `supported values: "Require"`,
	}),
	Entry("tamper protection that is true", refusal{
		in: selecting(`podSecurity: {enforce: baseline}, protection: {tamper: %s}`), good: "Forbid", bad: "true",
		path: "spec.protection.tamper", reason: `supported values: "Forbid"`,
	}),
	Entry("traffic within a namespace that is true", refusal{
		in:   selecting(`network: {defaultDeny: [Ingress], allowSameNamespace: %s}`),
		good: "{}", bad: "true",
		path: "spec.network.allowSameNamespace", reason: "must be of type object",
	}),
	Entry("a DNS port that means UDP without saying so", refusal{
		in:   selecting(`network: {defaultDeny: [Egress], allowDNS: {ports: [{%sport: 53}]}}`),
		good: "protocol: UDP, ", bad: "",
		path: "spec.network.allowDNS.ports", reason: "protocol defaults to TCP, as Kubernetes' ports do",
	}),
	Entry("findings in the mode Off", refusal{
		in: selecting(`podSecurity: {enforce: baseline}, findings: {mode: %s}`), good: "Disabled", bad: `"Off"`,
		path: "spec.findings.mode", reason: `Unsupported value: "Off": supported values: "Report", "Disabled"`,
	}),
	Entry("findings in the mode Off, which YAML reads as false", refusal{
		in: selecting(`podSecurity: {enforce: baseline}, findings: {mode: %s}`), good: "Disabled", bad: "Off",
		path: "spec.findings.mode", reason: `supported values: "Report", "Disabled"`,
	}),
)
