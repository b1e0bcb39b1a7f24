// Package validation tests what the API server refuses of a user's manifest, without the operator,
// and the words in which kubectl says so.
package validation

import (
	"context"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/test/framework/controlplane"
	"github.com/bulwark-dev/bulwark/test/framework/testbed"
)

var (
	ctx      context.Context
	plane    *controlplane.ControlPlane
	admin    client.Client
	cacheDir string
)

func TestValidation(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "validation")
}

var _ = BeforeSuite(func() {
	cacheDir = GinkgoT().TempDir()
	c := testbed.Installed(GinkgoTB())
	ctx, plane, admin = c.Context, c.Plane, c.Admin
})
