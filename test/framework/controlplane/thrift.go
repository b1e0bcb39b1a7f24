package controlplane

import (
	"fmt"
	"os"
	"path/filepath"

	"k8s.io/client-go/rest"
)

// gcPercent is the name of the variable that says how often a process collects its garbage.
const gcPercent = "GOGC"

// adminToken is the administrator's where Thrifty is given. The API server listens on loopback
// alone.
const adminToken = "administrator-of-a-test"

// Thrifty has the control plane take less of the processor, for suites that run side by side. The
// benchmark measures without it.
//
//  1. The administrator shows a token. A client's certificate is verified anew at each request,
//     which takes the API server a tenth of its time where a suite asks again and again.
//  2. The processes collect their garbage less often, for more memory.
//  3. Nobody checks the types in admission policies, but with TypeChecked.
func Thrifty() Option {
	return func(c *ControlPlane) { c.token, c.garbage, c.unchecked = adminToken, "400", true }
}

// TypeChecked has the types in admission policies checked, with Thrifty too.
func TypeChecked() Option {
	return func(c *ControlPlane) { c.unchecked = false }
}

// controllers are those that kube-controller-manager runs.
func (c *ControlPlane) controllers() string {
	if c.unchecked {
		return controllers
	}
	return controllers + "," + typeChecker
}

// tokenFile is the path of the file that tells the API server whose token it is.
func (c *ControlPlane) tokenFile() (string, error) {
	path := filepath.Join(c.dir, "tokens.csv")
	return path, os.WriteFile(path, fmt.Appendf(nil, "%s,admin,admin,system:masters\n", c.token), 0o600)
}

// byToken is the same configuration, with the token in the place of the certificate.
func (c *ControlPlane) byToken(cfg *rest.Config) *rest.Config {
	cfg = rest.AnonymousClientConfig(cfg)
	cfg.BearerToken = c.token
	return cfg
}

// environment is that of the control plane's processes.
func (c *ControlPlane) environment() []string {
	if c.garbage == "" {
		return os.Environ()
	}
	return append(os.Environ(), gcPercent+"="+c.garbage)
}

// startEnvironment starts etcd and kube-apiserver, which inherit the environment of this process.
// It sets the environment back: an operator that a suite starts is measured as it is.
func (c *ControlPlane) startEnvironment() (*rest.Config, error) {
	if c.garbage != "" {
		was, given := os.LookupEnv(gcPercent)
		if err := os.Setenv(gcPercent, c.garbage); err != nil {
			return nil, err
		}
		defer func() {
			if given {
				_ = os.Setenv(gcPercent, was) // It could be set before.
			} else {
				_ = os.Unsetenv(gcPercent)
			}
		}()
	}
	return c.env.Start()
}
