package controlplane

import (
	"fmt"

	"k8s.io/apimachinery/pkg/util/version"
	"k8s.io/client-go/discovery"
)

// readVersion asks the API server for its version.
func (c *ControlPlane) readVersion() error {
	client, err := discovery.NewDiscoveryClientForConfig(c.Config)
	if err != nil {
		return err
	}
	info, err := client.ServerVersion()
	if err != nil {
		return fmt.Errorf("asking the API server for its version: %w", err)
	}
	c.version, err = version.ParseSemantic(info.GitVersion)
	return err
}

// OlderThan reports whether the API server is of an older version than one such as 1.36.
func (c *ControlPlane) OlderThan(minor string) bool {
	return c.version.LessThan(version.MustParseGeneric(minor))
}
