package validation

import (
	"fmt"
	"regexp"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

// profile is the manifest of a SecurityProfile; spec is the inside of a YAML flow mapping.
func profile(name, spec string) string {
	return fmt.Sprintf(`
apiVersion: security.bulwark.dev/v1alpha1
kind: SecurityProfile
metadata: {name: %s}
spec: {%s}
`, name, spec)
}

// selecting is the spec of a profile that selects every namespace and declares these sections.
func selecting(sections string) string { return "namespaceSelector: {}, " + sections }

// root is what the API server writes for a field path where a rule on the whole object is broken.
const root = "<nil>"

// refusal is an entry of a table of refusals.
type refusal struct {
	// in is the spec of a profile. %s stands for the one place where the profile accepted and the
	// one refused differ.
	in        string
	good, bad string
	// path and reason are what the refusal has to name.
	path, reason string
}

// ExpectOnlyBadRefused checks that the profile is accepted as long as it holds the good value, so
// that nothing but the bad value explains the refusal, and that the refusal names the field and the
// reason.
func ExpectOnlyBadRefused(r refusal) {
	ExpectAccepted(profile("example", fmt.Sprintf(r.in, r.good)))
	ExpectRefused(profile("example", fmt.Sprintf(r.in, r.bad)), r.path, r.reason)
}

// ExpectAccepted checks that kubectl would apply the manifest.
func ExpectAccepted(manifest string) {
	GinkgoHelper()
	Expect(applyAsIf(manifest)).To(Succeed(), manifest)
}

// ExpectRefused checks that kubectl would not apply the manifest, and that it names the field and,
// on the same line, the reason.
func ExpectRefused(manifest, path, reason string) {
	GinkgoHelper()
	answer := applyAsIf(manifest)
	Expect(answer).To(HaveOccurred(), "it was accepted:\n%s", manifest)
	Expect(inWordsOfKubectl(answer)).To(MatchRegexp(complaint(path, reason)), manifest)
}

// complaint matches a line that names a field and a reason.
func complaint(path, reason string) string {
	return `(?m)(^|[\s.])` + regexp.QuoteMeta(path) + `: .*` + regexp.QuoteMeta(reason)
}

// ExpectKubectl runs kubectl, which has to succeed, and returns what it printed.
func ExpectKubectl(stdin string, args ...string) string {
	GinkgoHelper()
	out, err := kubectl(stdin, args...)
	Expect(err).NotTo(HaveOccurred(), "kubectl %v:\n%s", args, out)
	return out
}

// kubectl keeps its cache of the API apart from that of other control planes.
func kubectl(stdin string, args ...string) (string, error) {
	cmd := plane.Kubectl(ctx, append(args, "--cache-dir="+cacheDir)...)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	return string(out), err
}
