package controllers

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-logr/logr"
	reportsv1alpha1 "github.com/openreports/reports-api/apis/openreports.io/v1alpha1"
	authorizationv1 "k8s.io/api/authorization/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/discovery"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/clusteraccess"
	"github.com/bulwark-dev/bulwark/internal/printable"
)

const (
	reportsResource = "reports"
	// openReportsRemedy grants what the operator needs.
	openReportsRemedy = "kubectl apply --server-side -k config/openreports"

	// doubtInterval is the least time between two looks that refused Reports lead to.
	doubtInterval = 10 * time.Second
)

// reportVerbs are what the operator must be allowed to do to Reports. It deletes none, but where the API server guards owner
// references (OwnerReferencesPermissionEnforcement), who sets them on an object must be allowed to delete it.
var reportVerbs = []string{"get", "list", "watch", "create", "update", "delete"}

// publication writes reports as Reports of openreports.io while the cluster takes them: while it knows them and the operator may
// write them. It looks for that every now and then, in a way that watches nothing. Nothing else of the operator waits for it: its
// cache of Reports is one of its own, so that no readiness hangs on it.
type publication struct {
	mgr       manager.Manager
	direct    client.Client
	discovery *discovery.DiscoveryClient
	recheck   time.Duration
	log       logr.Logger
	changed   chan event.GenericEvent // tells that the condition is another
	doubts    chan struct{}           // tells that a Report was refused
	room      roomBeside

	mu        sync.Mutex
	condition *metav1.Condition // nil before the first look
}

var _ manager.Runnable = (*publication)(nil)

// newPublication adds the publication of reports to the manager, on the replica that leads.
func newPublication(mgr manager.Manager, recheck time.Duration) (*publication, error) {
	direct, err := client.New(mgr.GetConfig(), client.Options{
		Scheme: mgr.GetScheme(), HTTPClient: mgr.GetHTTPClient(), Mapper: mgr.GetRESTMapper(), FieldOwner: v1alpha1.FieldManager,
	})
	if err != nil {
		return nil, fmt.Errorf("making a client: %w", err)
	}
	discovers, err := discovery.NewDiscoveryClientForConfigAndClient(mgr.GetConfig(), mgr.GetHTTPClient())
	if err != nil {
		return nil, fmt.Errorf("making a client for discovery: %w", err)
	}
	p := &publication{
		mgr: mgr, direct: direct, discovery: discovers, recheck: recheck,
		log: mgr.GetLogger().WithName("openreports"), changed: make(chan event.GenericEvent, 1),
		doubts: make(chan struct{}, 1),
	}
	return p, mgr.Add(p)
}

// Start publishes whenever that is possible, until the context ends.
func (p *publication) Start(ctx context.Context) error {
	for {
		obstacle, err := p.obstacle(ctx)
		if obstacle == nil && err == nil {
			obstacle = p.publish(ctx)
		}
		wait := p.recheck
		if err != nil { // The condition stays what it was.
			p.log.Error(err, "Could not find out whether Reports of openreports.io can be written")
			wait = min(wait, retryMax)
		}
		if obstacle != nil {
			p.set(*obstacle)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
	}
}

// publish runs the controller of Reports until something stands in its way, which it returns, or the context ends.
func (p *publication) publish(ctx context.Context) *metav1.Condition {
	running, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	var runs sync.WaitGroup
	runs.Go(func() { ended <- p.run(running) })
	defer func() { stop(); runs.Wait() }()
	p.set(metav1.Condition{
		Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonPublishing,
		Message: "each report is also written as the Report " + v1alpha1.ReportName + " of " + reportsv1alpha1.GroupName + " in its namespace",
	})
	doubts, wait := p.doubts, p.recheck
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-ended:
			if ctx.Err() != nil {
				return nil
			}
			return p.obstacleOf(v1alpha1.ReasonPublishingFailed, "publishing has ended: "+printable.Message(fmt.Sprint(err)))
		case <-doubts:
			doubts, wait = nil, min(p.recheck, doubtInterval)
		case <-time.After(wait):
			doubts, wait = p.doubts, p.recheck
		}
		if obstacle, _ := p.obstacle(ctx); obstacle != nil { // Who cannot tell, goes on.
			return obstacle
		}
	}
}

// run runs the controller of Reports, and the cache that it reads, until the context ends or one of them does.
func (p *publication) run(ctx context.Context) error {
	caches, err := cache.New(p.mgr.GetConfig(), cache.Options{
		HTTPClient: p.mgr.GetHTTPClient(), Scheme: p.mgr.GetScheme(), Mapper: p.mgr.GetRESTMapper(),
		DefaultLabelSelector:        labels.SelectorFromSet(labels.Set{v1alpha1.ManagedByLabel: v1alpha1.ManagedBy}),
		DefaultTransform:            cache.TransformStripManagedFields(),
		ReaderFailOnMissingInformer: true,
	})
	if err != nil {
		return fmt.Errorf("making a cache of Reports: %w", err)
	}
	reports, err := client.New(p.mgr.GetConfig(), client.Options{
		Scheme: p.mgr.GetScheme(), HTTPClient: p.mgr.GetHTTPClient(), Mapper: p.mgr.GetRESTMapper(), FieldOwner: v1alpha1.FieldManager,
		Cache: &client.CacheOptions{Reader: caches, EnableReadYourWritesConsistency: ptr.To(true)},
	})
	if err != nil {
		return fmt.Errorf("making a client that reads the cache of Reports: %w", err)
	}
	reconciler := &openReportsReconciler{
		postures: clusteraccess.NewReadYourWritesClient(p.mgr.GetClient(), p.direct),
		reports:  clusteraccess.NewReadYourWritesClient(reports, p.direct), live: p.direct,
		recheck: p.recheck, refused: p.doubt, room: p.room,
	}
	o := options(reportConcurrency)
	o.Logger, o.SkipNameValidation = p.log, ptr.To(true)
	c, err := reconciler.setup(p.mgr.GetCache(), caches, o)
	if err != nil {
		return fmt.Errorf("setting up the controller of Reports: %w", err)
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, 2)
	go func() { ended <- caches.Start(ctx) }()
	go func() { ended <- c.Start(ctx) }()
	err = <-ended
	stop()
	return errors.Join(err, <-ended)
}

// doubt has it looked at soon whether Reports can still be written.
func (p *publication) doubt() {
	select {
	case p.doubts <- struct{}{}:
	default:
	}
}

// obstacle is what stands in the way of publishing, as a condition, or nil.
func (p *publication) obstacle(ctx context.Context) (*metav1.Condition, error) {
	version := reportsv1alpha1.SchemeGroupVersion.String()
	known, err := p.discovery.ServerResourcesForGroupVersionWithContext(ctx, version)
	if err != nil && !apierrors.IsNotFound(err) {
		return nil, fmt.Errorf("asking the API server for %s: %w", version, err)
	}
	if err != nil || !slices.ContainsFunc(known.APIResources, func(r metav1.APIResource) bool { return r.Name == reportsResource }) {
		return p.obstacleOf(v1alpha1.ReasonNotInstalled, "the API server does not know the Reports of "+version+
			": install the CustomResourceDefinition of OpenReports"), nil
	}
	var missing []string
	for _, verb := range reportVerbs {
		review := &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{
			ResourceAttributes: &authorizationv1.ResourceAttributes{Group: reportsv1alpha1.GroupName, Resource: reportsResource, Verb: verb},
		}}
		if err := p.direct.Create(ctx, review); err != nil {
			return nil, fmt.Errorf("asking whether the operator may %s %s: %w", verb, reportsResource, err)
		}
		if !review.Status.Allowed {
			missing = append(missing, verb)
		}
	}
	if len(missing) > 0 {
		return p.obstacleOf(v1alpha1.ReasonForbidden, fmt.Sprintf("the operator may not %s %s.%s. Remedy: %s",
			strings.Join(missing, ", "), reportsResource, reportsv1alpha1.GroupName, openReportsRemedy)), nil
	}
	return nil, nil
}

func (p *publication) obstacleOf(reason, message string) *metav1.Condition {
	return &metav1.Condition{
		Status: metav1.ConditionFalse, Reason: reason,
		Message: message + fmt.Sprintf("; the operator looks again every %s", p.recheck),
	}
}

// set remembers the condition. If it is news, the log and the profiles are told.
func (p *publication) set(condition metav1.Condition) {
	condition.Type = v1alpha1.ConditionPublished
	p.mu.Lock()
	news := p.condition == nil || *p.condition != condition
	p.condition = &condition
	p.mu.Unlock()
	if !news {
		return
	}
	p.log.Info("Reports of openreports.io", "published", condition.Status, "reason", condition.Reason, "message", condition.Message)
	select {
	case p.changed <- event.GenericEvent{Object: &v1alpha1.SecurityProfile{}}:
	default: // The profiles are about to be told already.
	}
}

// setCondition makes the condition of a profile say whether reports are published, and takes it away where they are not to be.
func (p *publication) setCondition(status *v1alpha1.SecurityProfileStatus, now time.Time) {
	if p == nil {
		meta.RemoveStatusCondition(&status.Conditions, v1alpha1.ConditionPublished)
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.condition != nil { // Before the first look, what was found before a restart stands.
		setCondition(status, *p.condition, now)
	}
}
