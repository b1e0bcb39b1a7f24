package operator

import (
	"strings"
	"testing"

	"github.com/go-logr/logr/funcr"
	apiversion "k8s.io/apimachinery/pkg/version"
)

func TestAVersionThatWasNotTestedIsSaid(t *testing.T) {
	for version, want := range map[string]bool{
		"v1.33.9":             true,
		"v1.34.0":             false,
		"v1.34.4-gke.1":       false,
		"v1.36.3+k3s1":        false,
		"v1.37.2-eks-113cf36": false,
		"v1.38.0-beta.0":      true,
		"v2.0.0":              true,
		"unreadable":          false,
	} {
		t.Run(version, func(t *testing.T) {
			said := ""
			sayVersion(&apiversion.Info{GitVersion: version}, funcr.New(func(_, args string) { said += args }, funcr.Options{}))
			if !strings.Contains(said, version) {
				t.Errorf("the version is not said: %s", said)
			}
			if got := strings.Contains(said, "not tested"); got != want {
				t.Errorf("said to be untested: %v, want %v: %s", got, want, said)
			}
		})
	}
}
