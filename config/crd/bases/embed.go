// Package bases holds the CustomResourceDefinitions as they are installed, for those who validate
// without a cluster.
package bases

import _ "embed" // for the definitions

// SecurityProfiles is the CustomResourceDefinition of SecurityProfiles, as YAML.
//
//go:embed security.bulwark.dev_securityprofiles.yaml
var SecurityProfiles []byte
