package controllers

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/version"
	"k8s.io/utils/clock"

	"github.com/bulwark-dev/bulwark/internal/admission"
	"github.com/bulwark-dev/bulwark/internal/clusteraccess/boundedcache"
	"github.com/bulwark-dev/bulwark/internal/contention"
	"github.com/bulwark-dev/bulwark/internal/findings/watch"
	"github.com/bulwark-dev/bulwark/internal/reportmemory"
)

// Options configure the controllers.
type Options struct {
	// Concurrency is how many namespaces a roll-out works on at a time. A quarter as many more, at
	// least one, are left for what overtakes it.
	Concurrency int
	// Protected are names and globs of namespaces that are never selected.
	Protected []string
	// Registry is where the metrics are registered.
	Registry prometheus.Registerer
	// Clock is the time.
	Clock clock.PassiveClock
	// Contest says when the correction of an object is contested.
	Contest contention.Settings
	// RecheckInterval is how often a namespace is looked at again when its state hangs on objects
	// that are not watched.
	RecheckInterval time.Duration
	// StatusInterval is the least time between two sums of one profile's reports into its status.
	StatusInterval time.Duration
	// RemovalDelay is how long the two looks are apart before a baseline is taken away.
	RemovalDelay time.Duration
	// JoinGrace is how long a namespace that joins may take to become ready before that takes the
	// profile's Ready away.
	JoinGrace time.Duration
	// Findings says to look for what weakens baselines though Bulwark does not own it.
	Findings bool
	// ServerVersion is that of the API server; nil if it is not known.
	ServerVersion *version.Info
	// Operator is the name of the user that the operator is, as the API server knows it: admission
	// policies let it pass.
	Operator string
	// Proof is what the API server says of the operator beside the name.
	Proof admission.Proof
	// OpenReports says to write reports as Reports of openreports.io too, where the cluster knows
	// these.
	OpenReports bool
	// Reports tells the reports that Bulwark wrote; it is the one that the cache was made with.
	Reports *reportmemory.Memory
	// Informers made those of the manager's cache, which know what it leaves out.
	Informers *boundedcache.Informers
	// MissingPermissions lists what the operator must be allowed and is not, by asking the API
	// server.
	MissingPermissions func(context.Context) ([]string, error)
	// MayBind asks the API server whether the operator may bind a ClusterRole by its name, in a
	// namespace or, if that is empty, in all.
	MayBind watch.MayBind
}
