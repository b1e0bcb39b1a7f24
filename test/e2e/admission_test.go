package e2e

import (
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

// late is a pod that is made after the profile governs.
var late = place{teamA, "late"}

// refused expects the pod, changed, to be refused. Policies are in force a moment after they are stored.
func refused(from, to, because, what string) {
	GinkgoHelper()
	changed := strings.ReplaceAll(late.manifest(), from, to)
	Expect(changed).NotTo(Equal(late.manifest()))
	Eventually(func() error {
		_, err := try(changed, "apply", "--dry-run=server", "-f", "-")
		return err
	}).Should(MatchError(ContainSubstring(because)))
	_, err := try(changed, "apply", "-f", "-")
	Expect(err).To(MatchError(ContainSubstring(because)))
	seen.note("a pod with %s was refused by %s", to, what)
}

// complies runs a pod that the profile admits, and notes what of the profile is in its containers.
func complies() {
	GinkgoHelper()
	apply(late.manifest())
	kubectl("-n", teamA, "wait", "--for=condition=Ready", "pod/late", "--timeout=120s")
	limit := kubectl("exec", "-n", teamA, "late", "--", "sh", "-c",
		"cat /sys/fs/cgroup/memory.max 2>/dev/null || cat /sys/fs/cgroup/memory/memory.limit_in_bytes")
	Expect(limit).To(Equal("67108864"), "64Mi")
	seen.note("a pod that complies runs; the LimitRange's 64Mi are its cgroup's %s bytes", limit)

	token := []string{"--", "ls", "/var/run/secrets/kubernetes.io/serviceaccount/token"}
	kubectl(append([]string{"exec", "-n", free, webF.name}, token...)...)
	_, err := try("", append([]string{"exec", "-n", teamA, "late"}, token...)...)
	Expect(err).To(MatchError(ContainSubstring("No such file")))
	seen.note("it has no ServiceAccount token, which a pod of an ungoverned namespace has")
}
