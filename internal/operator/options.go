package operator

import (
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/utils/clock"

	"github.com/bulwark-dev/bulwark/controllers"
	"github.com/bulwark-dev/bulwark/internal/contention"
	"github.com/bulwark-dev/bulwark/internal/posture"
	"github.com/bulwark-dev/bulwark/internal/release"
)

// Options configure the operator.
type Options struct {
	// Namespace is the operator's own, which no profile selects and which holds its Lease.
	Namespace string
	// ProtectedNamespaces are names and globs of further namespaces that no profile selects.
	ProtectedNamespaces []string
	// Concurrency is how many namespaces a roll-out works on at a time. A quarter as many more, at
	// least one, are left for what overtakes it.
	Concurrency int
	// LeaderElection lets several replicas run, of which one works.
	LeaderElection bool
	// Election is how fast leaders change; by default as DefaultElection.
	Election Election
	// MetricsAddress is where metrics are served over TLS, to whom the API server authenticates and
	// authorizes; "0" is nowhere.
	MetricsAddress string
	// HealthAddress is where /healthz and /readyz are served; "0" is nowhere.
	HealthAddress string
	// PprofAddress is where the Go runtime's profiles are served, to anybody who can reach it;
	// empty or "0" is nowhere.
	PprofAddress string
	// Registry is where the operator's metrics are registered.
	Registry prometheus.Registerer
	// Logger is the log.
	Logger logr.Logger
	// Clock is the time; by default that of the machine.
	Clock clock.PassiveClock
	// Contest says when the correction of an object is contested; by default as
	// contention.DefaultSettings().
	Contest contention.Settings
	// RecheckInterval is how often what is not watched is looked at; by default
	// controllers.DefaultRecheckInterval.
	RecheckInterval time.Duration
	// StatusInterval is the least time between two sums of one profile's reports into its status;
	// by default controllers.DefaultStatusInterval.
	StatusInterval time.Duration
	// RemovalDelay is how long the two looks are apart before a baseline is taken away; by default
	// release.DefaultRemovalDelay.
	RemovalDelay time.Duration
	// JoinGrace is how long a namespace that joins may take to become ready before that takes the
	// profile's Ready away; by default posture.DefaultJoinGrace.
	JoinGrace time.Duration
	// NoFindings switches findings off, whatever profiles say.
	NoFindings bool
	// OpenReports says to write reports as Reports of openreports.io too, where the cluster knows
	// these.
	OpenReports bool
	// SeveralInOneProcess permits it, for tests.
	SeveralInOneProcess bool
}

// Election is how fast leaders change.
type Election struct {
	// LeaseDuration is how long the others wait for a leader that is not heard of.
	LeaseDuration time.Duration
	// RenewDeadline is how long a leader tries to renew its Lease before it gives up.
	RenewDeadline time.Duration
	// RetryPeriod is how long each waits between two tries.
	RetryPeriod time.Duration
}

// DefaultElection is somewhat faster than that of Kubernetes' own components (15, 10 and 2 s), with
// which another replica's first correction can come 20 s after a leader's death: the Lease, and
// twice a retry of up to 2.4 s.
var DefaultElection = Election{
	LeaseDuration: 12 * time.Second,
	RenewDeadline: 8 * time.Second,
	RetryPeriod:   2 * time.Second,
}

func (o *Options) setDefaults() {
	if o.Clock == nil {
		o.Clock = clock.RealClock{}
	}
	if o.Contest == (contention.Settings{}) {
		o.Contest = contention.DefaultSettings()
	}
	if o.RecheckInterval == 0 {
		o.RecheckInterval = controllers.DefaultRecheckInterval
	}
	if o.StatusInterval == 0 {
		o.StatusInterval = controllers.DefaultStatusInterval
	}
	if o.RemovalDelay == 0 {
		o.RemovalDelay = release.DefaultRemovalDelay
	}
	if o.JoinGrace == 0 {
		o.JoinGrace = posture.DefaultJoinGrace
	}
	if o.Election == (Election{}) {
		o.Election = DefaultElection
	}
}
