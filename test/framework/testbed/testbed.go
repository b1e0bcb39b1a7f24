// Package testbed is the control plane that a suite stands on: it starts one, installs Bulwark in
// it, and stops it when the suite ends. It knows plain tests and ginkgo's alike, by testing.TB. It
// may import the control plane and the operator's scheme, and must never start an operator.
package testbed

import (
	"context"
	"testing"

	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/internal/operator"
	"github.com/bulwark-dev/bulwark/test/framework/controlplane"
)

// Cluster is the control plane of a suite.
type Cluster struct {
	// Context ends with the suite.
	Context context.Context
	Plane   *controlplane.ControlPlane
	// Admin is a client of its administrator.
	Admin client.Client
}

// Start starts a control plane, which is stopped when the suite ends.
func Start(t testing.TB, options ...controlplane.Option) *Cluster {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	plane, err := controlplane.Start(ctx, append([]controlplane.Option{controlplane.Thrifty()}, options...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := plane.Stop(); err != nil {
			t.Error(err)
		}
	})
	plane.Config.WarningHandler = rest.NoWarnings{} // Suites mean what they are warned of.
	c := &Cluster{Context: ctx, Plane: plane}
	c.Admin = c.ClientOf(t, plane.Config)
	return c
}

// Installed starts a control plane in which Bulwark is installed, but for its Deployment.
func Installed(t testing.TB, options ...controlplane.Option) *Cluster {
	t.Helper()
	c := Start(t, options...)
	if err := c.Plane.Install(c.Context); err != nil {
		t.Fatal(err)
	}
	return c
}

// ClientOf is a client of somebody else that knows every kind that the operator does.
func (c *Cluster) ClientOf(t testing.TB, cfg *rest.Config) client.Client {
	t.Helper()
	options := client.Options{Scheme: operator.Scheme()}
	if c.Admin != nil {
		options.Mapper = c.Admin.RESTMapper() // So that it need not ask the API server for its resources.
	}
	made, err := client.New(cfg, options)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// Impersonating is a client that the API server takes for somebody else.
func (c *Cluster) Impersonating(t testing.TB, who rest.ImpersonationConfig) client.Client {
	t.Helper()
	cfg := rest.CopyConfig(c.Plane.Config)
	cfg.Impersonate = who
	return c.ClientOf(t, cfg)
}

// OperatorConfig is the configuration of a client that is the operator.
func (c *Cluster) OperatorConfig(t testing.TB) *rest.Config {
	t.Helper()
	cfg, err := c.Plane.OperatorConfig(c.Context)
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// SkipBefore skips the test on an API server that is older than a version such as 1.36, and says
// what that one lacks.
func (c *Cluster) SkipBefore(t testing.TB, version, lacks string) {
	t.Helper()
	if c.Plane.OlderThan(version) {
		t.Skipf("needs Kubernetes %s: %s", version, lacks)
	}
}
