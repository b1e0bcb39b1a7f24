package controlplane

import (
	"path/filepath"

	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
)

// Option changes how a control plane is started.
type Option func(*ControlPlane)

// WithStaticPolicies has kube-apiserver load the ValidatingAdmissionPolicies in a folder.
// kube-controller-manager is then the user that it is in a cluster, since such policies hold the
// administrator too.
func WithStaticPolicies(folder string) Option {
	return func(c *ControlPlane) { c.static = folder }
}

// staticPlugin is what the folder adds to the plugins of the admission configuration.
func (c *ControlPlane) staticPlugin() string {
	if c.static == "" {
		return ""
	}
	return `- name: ValidatingAdmissionPolicy
  configuration:
    apiVersion: apiserver.config.k8s.io/v1
    kind: ValidatingAdmissionPolicyConfiguration
    staticManifestsDir: ` + c.static + "\n"
}

// managerUser is the user that kube-controller-manager is in a cluster.
const managerUser = "system:kube-controller-manager"

// managerKubeconfig is the kubeconfig of kube-controller-manager.
func (c *ControlPlane) managerKubeconfig() (string, error) {
	if c.static == "" {
		return c.Kubeconfig, nil
	}
	cfg, err := c.UserConfig(managerUser)
	if err != nil {
		return "", err
	}
	path := filepath.Join(c.dir, "kube-controller-manager.kubeconfig")
	return path, WriteKubeconfig(path, cfg)
}

// UserConfig is the configuration of a client that is that user, a member of these groups, by a
// certificate.
func (c *ControlPlane) UserConfig(name string, groups ...string) (*rest.Config, error) {
	user, err := c.env.AddUser(envtest.User{Name: name, Groups: groups}, nil)
	if err != nil {
		return nil, err
	}
	cfg := user.Config()
	cfg.QPS = -1
	return cfg, nil
}
