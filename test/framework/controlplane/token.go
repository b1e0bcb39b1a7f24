package controlplane

import (
	"fmt"
	"os"
	"path/filepath"

	"k8s.io/client-go/rest"
)

// adminToken is the administrator's where WithAdminToken is given. The API server listens on loopback alone.
const adminToken = "administrator-of-a-test"

// WithAdminToken has the administrator show a token. The API server verifies a client's certificate
// anew at each request, which takes it a tenth of its time where a suite asks again and again.
func WithAdminToken() Option {
	return func(c *ControlPlane) { c.token = adminToken }
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
