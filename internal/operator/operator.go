// Package operator puts the operator together: scheme, caches, controllers, health, metrics and
// leader election, and the checks that the operator makes of itself (its permissions, its identity).
//
// It may import every room below it. It must never decide what is done in a namespace.
package operator

import (
	"context"
	"errors"
	"fmt"
	"sync"

	reportsv1alpha1 "github.com/openreports/reports-api/apis/openreports.io/v1alpha1"
	"k8s.io/apimachinery/pkg/runtime"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/config"
	logf "sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/controllers"
	"github.com/bulwark-dev/bulwark/internal/clusteraccess"
	"github.com/bulwark-dev/bulwark/internal/clusteraccess/boundedcache"
	"github.com/bulwark-dev/bulwark/internal/reportmemory"
	"github.com/bulwark-dev/bulwark/internal/selection"
)

// leaderElectionID is the name of the Lease that replicas contend for.
const leaderElectionID = "bulwark.security.bulwark.dev"

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
	definitions := newDefinitionCheck(direct, o.Logger.WithName("definitions"))
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
	if err := addHealth(mgr, permissions, definitions); err != nil {
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
	// The checks do not run in the manager, which starts nothing until the caches have synced:
	// without permissions they never do, and this is what says why.
	ctx, cancel := context.WithCancel(ctx)
	var checks sync.WaitGroup
	checks.Go(func() { permissions.run(ctx) })
	checks.Go(func() { definitions.run(ctx) })
	err = mgr.Start(ctx)
	cancel()
	checks.Wait()
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
