// Package operator puts the operator together: scheme, caches, controllers, health, metrics and
// leader election.
package operator

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/go-logr/logr"
	reportsv1alpha1 "github.com/openreports/reports-api/apis/openreports.io/v1alpha1"
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/runtime"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/config"
	logf "sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/controllers"
	"github.com/bulwark-dev/bulwark/internal/clusteraccess"
	"github.com/bulwark-dev/bulwark/internal/clusteraccess/boundedcache"
	"github.com/bulwark-dev/bulwark/internal/contention"
	"github.com/bulwark-dev/bulwark/internal/posture"
	"github.com/bulwark-dev/bulwark/internal/release"
	"github.com/bulwark-dev/bulwark/internal/reportmemory"
	"github.com/bulwark-dev/bulwark/internal/selection"
)

// leaderElectionID is the name of the Lease that replicas contend for.
const leaderElectionID = "bulwark.security.bulwark.dev"

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

// Scheme knows the types that the operator reads and writes.
func Scheme() *runtime.Scheme {
	scheme := runtime.NewScheme()
	utilruntime.Must(clientgoscheme.AddToScheme(scheme))
	utilruntime.Must(v1alpha1.AddToScheme(scheme))
	utilruntime.Must(reportsv1alpha1.Install(scheme))
	return scheme
}

// Run runs the operator until the context ends.
func Run(ctx context.Context, cfg *rest.Config, o Options) error {
	o.setDefaults()
	if err := o.Contest.Validate(); err != nil {
		return err
	}
	cfg = rest.CopyConfig(cfg)
	cfg.QPS = -1                  // What is fair is the API server's business (API Priority and Fairness).
	cfg.DisableCompression = true // To pack and unpack each event of a watch costs more than it saves inside of a cluster.
	cfg.UserAgent = v1alpha1.FieldManager + "/v1alpha1"
	clusteraccess.BoundReceiving(cfg)
	cfg.WarningHandlerWithContext = clusteraccess.WarningHandler{
		Others: logf.NewKubeAPIWarningLogger(logf.KubeAPIWarningLoggerOptions{Deduplicate: true}),
	}

	cfg.Wrap(clusteraccess.LimitResponses)

	scheme := Scheme()
	direct, err := client.New(cfg, client.Options{Scheme: scheme})
	if err != nil {
		return fmt.Errorf("making a client: %w", err)
	}
	self, err := preflight(ctx, direct)
	if err != nil {
		return err
	}
	key, made, err := sealKey(ctx, direct, o.Namespace, o.Clock, o.Logger)
	if err != nil {
		return err
	}
	reports := reportmemory.New(key, made, o.Clock)
	mgr, informers, err := newManager(cfg, scheme, direct, o, reports)
	if err != nil {
		return err
	}
	protected, err := selection.Protected(append(o.ProtectedNamespaces, o.Namespace)...)
	if err != nil {
		return err
	}
	permissions := newPermissionCheck(direct, o.Namespace, o.Logger.WithName("permissions"))
	if err := controllers.Setup(ctx, mgr, controllers.Options{
		Concurrency:        o.Concurrency,
		Protected:          protected,
		Registry:           o.Registry,
		Clock:              o.Clock,
		Contest:            o.Contest,
		RecheckInterval:    o.RecheckInterval,
		StatusInterval:     o.StatusInterval,
		Findings:           !o.NoFindings,
		Operator:           self.name,
		Proof:              self.proof,
		OpenReports:        o.OpenReports,
		MissingPermissions: permissions.review,
		MayBind:            mayBind(direct),
		ServerVersion:      serverVersion(ctx, cfg, o.Logger),
		RemovalDelay:       o.RemovalDelay,
		JoinGrace:          o.JoinGrace,
		Reports:            reports,
		Informers:          informers,
	}); err != nil {
		return err
	}
	if err := addHealth(mgr, permissions); err != nil {
		return err
	}
	rewind, err := newRewindWatch(ctx, mgr.GetCache(), mgr.GetAPIReader())
	if err != nil {
		return err
	}
	err = errors.Join(
		mgr.Add(releaseMemory{mgr.GetCache(), informers.BytesRead}), mgr.Add(rewind),
		mgr.Add(newIdentityWatch(direct, self, o.Logger)))
	if err != nil {
		return fmt.Errorf("adding to the manager: %w", err)
	}
	// The check does not run in the manager, which starts nothing until the caches have synced:
	// without permissions they never do, and this is what says why.
	ctx, cancel := context.WithCancel(ctx)
	checked := make(chan struct{})
	go func() {
		defer close(checked)
		permissions.run(ctx)
	}()
	err = mgr.Start(ctx)
	cancel()
	<-checked
	if err != nil {
		return fmt.Errorf("running the manager: %w", err)
	}
	return nil
}

func newManager(
	cfg *rest.Config, scheme *runtime.Scheme, direct client.Reader, o Options, reports *reportmemory.Memory,
) (manager.Manager, *boundedcache.Informers, error) {
	cacheOptions, informers, err := boundedcache.Options(cfg, scheme, direct, reports)
	if err != nil {
		return nil, nil, err
	}
	mgr, err := manager.New(cfg, manager.Options{
		Scheme: scheme,
		Logger: o.Logger,
		Cache:  cacheOptions,
		Client: client.Options{
			FieldOwner: v1alpha1.FieldManager,
			Cache:      &client.CacheOptions{EnableReadYourWritesConsistency: ptr.To(true)},
		},
		Metrics: metricsserver.Options{
			BindAddress:    o.MetricsAddress,
			SecureServing:  true,
			FilterProvider: metricsAccess,
		},
		HealthProbeBindAddress: o.HealthAddress,
		PprofBindAddress:       o.PprofAddress,
		LeaderElection:         o.LeaderElection,
		LeaderElectionID:       leaderElectionID,
		LeaseDuration:          &o.Election.LeaseDuration,
		RenewDeadline:          &o.Election.RenewDeadline,
		RetryPeriod:            &o.Election.RetryPeriod,
		// A stopped leader gives the Lease up, so that the next one need not wait for it to expire.
		// main ends with Run.
		LeaderElectionReleaseOnCancel: true,
		LeaderElectionNamespace:       o.Namespace,
		Controller:                    config.Controller{SkipNameValidation: &o.SeveralInOneProcess},
	})
	if err != nil {
		return nil, nil, fmt.Errorf("making the manager: %w", err)
	}
	return mgr, informers, nil
}

// releaseInterval is at least how long there is between two releases: a collection takes some 20 ms
// of CPU.
const releaseInterval = 10 * time.Second

// releaseMemory gives back to the machine what reading the whole cluster took, once the caches hold
// what is kept of it, and what reading much has taken since. The runtime would keep it for minutes,
// and a container's limit would have to allow for it.
type releaseMemory struct {
	caches cache.Cache
	read   *boundedcache.BytesRead
}

var _ manager.LeaderElectionRunnable = releaseMemory{}

// Start waits for the caches.
func (r releaseMemory) Start(ctx context.Context) error {
	if !r.caches.WaitForCacheSync(ctx) {
		return nil
	}
	debug.FreeOSMemory()
	for {
		select {
		case <-r.read.Many():
		case <-ctx.Done():
			return nil
		}
		debug.FreeOSMemory()
		select {
		case <-time.After(releaseInterval):
		case <-ctx.Done():
			return nil
		}
		debug.FreeOSMemory() // What passes over what was read have left.
	}
}

// NeedLeaderElection is false: a replica that does not lead has caches too.
func (releaseMemory) NeedLeaderElection() bool { return false }

func addHealth(mgr manager.Manager, permissions *permissionCheck) error {
	return errors.Join(
		mgr.AddHealthzCheck("ping", func(*http.Request) error { return nil }),
		mgr.AddReadyzCheck("permissions", permissions.ready),
		mgr.AddReadyzCheck("caches", cachesSynced(mgr.GetCache())),
	)
}

// cachesSynced is ready once the caches hold all that there was when they began to watch.
func cachesSynced(caches cache.Cache) func(*http.Request) error {
	return func(request *http.Request) error {
		ctx, cancel := context.WithTimeout(request.Context(), 100*time.Millisecond)
		defer cancel()
		if !caches.WaitForCacheSync(ctx) {
			return errors.New("the caches have not synced yet")
		}
		return nil
	}
}
