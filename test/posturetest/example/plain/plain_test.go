// Package plain is a test without ginkgo that runs Bulwark.
package plain

import (
	"testing"

	"github.com/go-logr/logr/testr"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/bulwark-dev/bulwark/test/posturetest"
)

func TestAShop(t *testing.T) {
	expect := NewWithT(t).Expect
	bulwark, err := posturetest.Start(&envtest.Environment{}, posturetest.LogTo(testr.New(t)))
	expect(err).NotTo(HaveOccurred())
	t.Cleanup(func() { expect(bulwark.Stop()).To(Succeed()) })

	profile, err := posturetest.FromFile("profile.yaml")
	expect(err).NotTo(HaveOccurred())
	expect(bulwark.Govern(t.Context(), "shop", profile)).To(Succeed())

	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "till"},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "till", Image: "registry.example.com/till:latest"}}},
	}
	expect(bulwark.Client.Create(t.Context(), pod)).To(posturetest.BeRefusedBy("denyTags"))
	pod.Spec.Containers[0].Image = "registry.example.com/till:v1"
	expect(bulwark.Client.Create(t.Context(), pod)).To(Succeed())

	expect(bulwark.Posture(t.Context(), "shop")).To(posturetest.BeCompliantWith(profile))
}
