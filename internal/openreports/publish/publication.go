// Package publish publishes NamespacePostures as Reports of openreports.io. It knows whether the
// cluster takes Reports, when to find that out again, how one Report is written, and when: it holds
// the controller that writes them, which comes and goes with what the cluster takes.
//
// It may import internal/openreports, clients and what is below them. It must never hang anything
// else of the operator on whether Reports can be written, nor touch a Report that Bulwark did not
// create.
package publish

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/go-logr/logr"
	reportsv1alpha1 "github.com/openreports/reports-api/apis/openreports.io/v1alpha1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/discovery"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/printable"
)

const (
	// doubtInterval is the least time between two checks that refused Reports lead to.
	doubtInterval = 10 * time.Second
	// retryInterval bounds the time to the next check after one that failed.
	retryInterval = time.Minute
)

// Options say how Reports are published.
type Options struct {
	// Client asks the API server what the operator may do.
	Client client.Writer
	// Discovery tells which resources the API server has.
	Discovery discovery.ServerResourcesInterfaceWithContext
	// Run writes Reports until the context ends. It calls refused after each Report that the API
	// server did not take.
	Run func(ctx context.Context, refused func()) error
	// Recheck is the time between two checks of whether Reports can be written.
	Recheck time.Duration
	// Log has one line for each change of the condition.
	Log logr.Logger
}

// Publication writes Reports while the cluster takes them: while the API server knows Reports and
// the operator may write them. It checks that with requests and not with a watch.
//
//	Reports are   | a check, or Run                 | then they are | the condition becomes
//	not written   | finds an obstacle               | not written   | False, with the obstacle
//	              | is not answered                 | not written   | (stays)
//	              | finds no obstacle               | written       | True
//	written       | finds an obstacle               | not written   | False, with the obstacle
//	              | is not answered, or finds none  | written       | (stays)
//	              | Run ends                        | not written   | False, PublishingFailed
//
// A check is made every Recheck. It is made earlier after a check that was not answered while
// Reports are not written (retryInterval), and after a Report was refused: at once, and then at
// most every doubtInterval.
type Publication struct {
	Options

	changed chan event.GenericEvent // the condition has changed
	doubts  chan struct{}           // a Report was refused

	mu        sync.Mutex
	condition *metav1.Condition // nil before the first check that was answered
}

var _ manager.Runnable = (*Publication)(nil)

// New makes the publication, which a manager starts.
func New(o Options) *Publication {
	return &Publication{Options: o, changed: make(chan event.GenericEvent, 1), doubts: make(chan struct{}, 1)}
}

// Start writes Reports whenever the cluster takes them, until the context ends.
func (p *Publication) Start(ctx context.Context) error {
	for {
		obstacle, err := p.obstacle(ctx)
		if obstacle == nil && err == nil {
			obstacle = p.publish(ctx)
		}
		wait := p.Recheck
		if err != nil { // The condition stays.
			p.Log.Error(err, "Could not find out whether Reports of openreports.io can be written")
			wait = min(wait, retryInterval)
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

// publish runs what writes Reports until the context ends, or an obstacle is found, which it
// returns.
func (p *Publication) publish(ctx context.Context) *metav1.Condition {
	running, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	var runs sync.WaitGroup
	runs.Go(func() { ended <- p.Run(running, p.doubt) })
	defer func() { stop(); runs.Wait() }()
	p.set(metav1.Condition{
		Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonPublishing,
		Message: "each report is also written as the Report " + v1alpha1.ReportName + " of " +
			reportsv1alpha1.GroupName + " in its namespace",
	})
	doubts, wait := p.doubts, p.Recheck
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-ended:
			if ctx.Err() != nil {
				return nil
			}
			return p.obstacleOf(v1alpha1.ReasonPublishingFailed, "publishing has ended: "+
				printable.Message(fmt.Sprint(err)))
		case <-doubts:
			doubts, wait = nil, min(p.Recheck, doubtInterval)
		case <-time.After(wait):
			doubts, wait = p.doubts, p.Recheck
		}
		if obstacle, _ := p.obstacle(ctx); obstacle != nil { // If the check is not answered, publishing goes on.
			return obstacle
		}
	}
}

// doubt asks for a check soon.
func (p *Publication) doubt() {
	select {
	case p.doubts <- struct{}{}:
	default:
	}
}

// Changed has an event after each change of the condition; its object is an empty SecurityProfile.
func (p *Publication) Changed() <-chan event.GenericEvent { return p.changed }

// Condition says whether Reports are written; nil before the first check that was answered, and of
// no publication.
func (p *Publication) Condition() *metav1.Condition {
	if p == nil {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.condition.DeepCopy()
}

// set remembers the condition. If it differs from the one of before, it tells so.
func (p *Publication) set(condition metav1.Condition) {
	condition.Type = v1alpha1.ConditionPublished
	p.mu.Lock()
	differs := p.condition == nil || *p.condition != condition
	p.condition = &condition
	p.mu.Unlock()
	if !differs {
		return
	}
	p.Log.Info("Reports of openreports.io",
		"published", condition.Status, "reason", condition.Reason, "message", condition.Message)
	select {
	case p.changed <- event.GenericEvent{Object: &v1alpha1.SecurityProfile{}}:
	default: // The last event has not been received yet, and stands for this change too.
	}
}
