package findings

import (
	"k8s.io/apimachinery/pkg/util/version"
	apiversion "k8s.io/apimachinery/pkg/version"
)

// createOpensStreams is the first version of the API server that asks for `create` before it opens
// a stream to a pod, also of a client that upgrades a GET (feature
// AuthorizePodWebsocketUpgradeCreatePermission, on by default).
var createOpensStreams = version.MustParseGeneric("1.35")

// GetOpensStreams reports whether `get` on pods/exec and pods/attach is enough for an API server of
// a version to run commands in pods. Of a version that cannot be read it is taken to be: what is
// told of too much can be ignored, what is not told of cannot.
func GetOpensStreams(info *apiversion.Info) bool {
	if info == nil {
		return true
	}
	major, minor := info.Major, info.Minor
	if info.EmulationMajor != "" && info.EmulationMinor != "" { // It behaves as that one does, features included.
		major, minor = info.EmulationMajor, info.EmulationMinor
	}
	v, err := version.ParseGeneric(major + "." + withoutSuffix(minor))
	return err != nil || v.LessThan(createOpensStreams)
}

// withoutSuffix is a minor version without what providers add to it, such as 34+.
func withoutSuffix(minor string) string {
	for i, r := range minor {
		if r < '0' || r > '9' {
			return minor[:i]
		}
	}
	return minor
}
