package integration

import (
	"os"
	"path/filepath"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	. "github.com/bulwark-dev/bulwark/test/framework/expect"
	"github.com/bulwark-dev/bulwark/test/framework/fixture"
)

var _ = Describe("The commands of docs/platforms.md", func() {
	It("wait until a bare pod is admitted, and debug it", func() {
		profile, first := Governed(fixture.Guarded)
		EventuallyEstablished(profile, first)
		namespace := profile.Name + "-new"
		Expect(admin.Create(ctx, fixture.Namespace(namespace, profile.Name))).To(Succeed())
		kubectl("wait", "--for=create", "nspost/posture", "-n", namespace, "--timeout=60s")
		kubectl("wait", "--for=condition=Ready", "nspost/posture", "-n", namespace, "--timeout=60s")
		pod := fixture.HardenedPod(namespace, "bare")
		Expect(admin.Create(ctx, pod)).To(Succeed())

		debug := []string{"debug", "bare", "-n", namespace, "--image=" + fixture.HardenedImage, "--profile=restricted"}
		Eventually(func() string { // Until the API server has taken the policy up, it would be admitted.
			out, _ := plane.Kubectl(ctx, append(debug, "--container=refused")...).CombinedOutput()
			return string(out)
		}).Should(ContainSubstring("readOnlyRootFilesystem"))
		custom := filepath.Join(GinkgoT().TempDir(), "debug.yaml")
		Expect(os.WriteFile(custom, []byte("securityContext: {readOnlyRootFilesystem: true}\n"), 0o600)).To(Succeed())
		kubectl(append(debug, "--container=debugger", "--custom="+custom)...)
		Expect(admin.Get(ctx, client.ObjectKeyFromObject(pod), pod)).To(Succeed())
		Expect(pod.Spec.EphemeralContainers).To(ContainElement(HaveField("Name", "debugger")))
		Expect(pod.Status.Phase).NotTo(Equal(corev1.PodFailed))
	})
})
