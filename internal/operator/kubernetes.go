package operator

import (
	"context"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/util/version"
	apiversion "k8s.io/apimachinery/pkg/version"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"
)

// The versions of Kubernetes that the suites ran on (docs/compatibility.md).
var oldestTested, newestTested = version.MustParseGeneric("1.34"), version.MustParseGeneric("1.37")

// serverVersion is that of the API server; nil if it does not tell, which costs no more than a
// finding too many.
func serverVersion(ctx context.Context, cfg *rest.Config, log logr.Logger) *apiversion.Info {
	c, err := discovery.NewDiscoveryClientForConfig(cfg)
	if err == nil {
		var info *apiversion.Info
		if info, err = c.ServerVersionWithContext(ctx); err == nil {
			sayVersion(info, log)
			return info
		}
	}
	log.Error(err, "Could not read the API server's version: findings take it for an old one")
	return nil
}

// sayVersion logs the version, and whether the suites ran on it.
func sayVersion(info *apiversion.Info, log logr.Logger) {
	log.Info("Read the API server's version", "version", info.GitVersion)
	found, err := version.ParseGeneric(info.GitVersion)
	if err != nil {
		return // Nobody knows then what it is.
	}
	minor := version.MajorMinor(found.Major(), found.Minor())
	if minor.LessThan(oldestTested) || minor.GreaterThan(newestTested) {
		log.Info("Bulwark was not tested on this version of Kubernetes: see docs/compatibility.md",
			"version", info.GitVersion, "oldestTested", oldestTested.String(), "newestTested", newestTested.String())
	}
}
