// Package bases holds the CustomResourceDefinitions as they are installed, for those who validate
// without a cluster, and for those who install them in the API server of a test.
package bases

import _ "embed" // for the definitions

// SecurityProfiles is the CustomResourceDefinition of SecurityProfiles, as YAML.
//
//go:embed security.bulwark.dev_securityprofiles.yaml
var SecurityProfiles []byte

// NamespacePostures is the CustomResourceDefinition of NamespacePostures, as YAML.
//
//go:embed security.bulwark.dev_namespacepostures.yaml
var NamespacePostures []byte
