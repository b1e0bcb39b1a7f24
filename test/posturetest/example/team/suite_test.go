// Package team is a suite of ginkgo that runs Bulwark.
package team

import (
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/bulwark-dev/bulwark/test/posturetest"
)

var (
	env     *envtest.Environment
	bulwark *posturetest.Operator
)

func TestTeam(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "team")
}

var _ = BeforeSuite(func() {
	env = &envtest.Environment{} // With the CRDs of your own operator.
	var err error
	bulwark, err = posturetest.Start(env, posturetest.LogTo(GinkgoLogr))
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(bulwark.Stop)

	// Start your own operator here, by env.Config.
})
