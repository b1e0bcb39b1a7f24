// Package validation tests what the API server refuses of a user's manifest, without the operator, and the words in which
// kubectl says so.
package validation

import (
	"context"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/bulwark-dev/bulwark/test/framework/controlplane"
)

var (
	ctx      context.Context
	plane    *controlplane.ControlPlane
	cacheDir string
)

func TestValidation(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "validation")
}

var _ = BeforeSuite(func() {
	var cancel context.CancelFunc
	ctx, cancel = context.WithCancel(context.Background())
	DeferCleanup(cancel)
	cacheDir = GinkgoT().TempDir()

	var err error
	plane, err = controlplane.Start(ctx)
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() error { return plane.Stop() })
	Expect(plane.Install(ctx)).To(Succeed())
})
