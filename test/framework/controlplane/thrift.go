package controlplane

import (
	"fmt"
	"os"
	"path/filepath"

	"k8s.io/client-go/rest"
)

// thriftyVariables have a process collect its garbage less often, and no more so when it is large.
var thriftyVariables = map[string]string{"GOGC": "400", "GOMEMLIMIT": "2GiB"}

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
	return func(c *ControlPlane) { c.token, c.variables, c.unchecked = adminToken, thriftyVariables, true }
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
	environment := os.Environ()
	for name, value := range c.variables {
		environment = append(environment, name+"="+value)
	}
	return environment
}

// startEnvironment starts etcd and kube-apiserver, which inherit the environment of this process.
// It sets the environment back: an operator that a suite starts is measured as it is.
func (c *ControlPlane) startEnvironment() (*rest.Config, error) {
	for name, value := range c.variables {
		setBack, err := set(name, value)
		if err != nil {
			return nil, err
		}
		defer setBack()
	}
	return c.env.Start()
}

// set sets a variable of the environment until it is set back.
func set(name, value string) (setBack func(), err error) {
	was, given := os.LookupEnv(name)
	return func() {
		if given {
			_ = os.Setenv(name, was) // It could be set before.
		} else {
			_ = os.Unsetenv(name)
		}
	}, os.Setenv(name, value)
}
