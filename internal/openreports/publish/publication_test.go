package publish

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-logr/logr"
	authorizationv1 "k8s.io/api/authorization/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
)

// cluster is asked whether it takes Reports. It is changed only while nobody asks.
type cluster struct {
	client.Writer
	discovery.ServerResourcesInterfaceWithContext

	resources []string
	forbidden []string // verbs
	down      error
	asked     int
}

var errDown = errors.New("no route")

func (c *cluster) ServerResourcesForGroupVersionWithContext(
	_ context.Context, version string,
) (*metav1.APIResourceList, error) {
	c.asked++
	if c.down != nil {
		return nil, c.down
	}
	if c.resources == nil {
		return nil, apierrors.NewNotFound(schema.GroupResource{}, version)
	}
	list := &metav1.APIResourceList{}
	for _, name := range c.resources {
		list.APIResources = append(list.APIResources, metav1.APIResource{Name: name})
	}
	return list, nil
}

func (c *cluster) Create(_ context.Context, o client.Object, _ ...client.CreateOption) error {
	review := o.(*authorizationv1.SelfSubjectAccessReview)
	review.Status.Allowed = !slices.Contains(c.forbidden, review.Spec.ResourceAttributes.Verb)
	return nil
}

// running is what writes Reports, or would.
type running struct {
	now     int
	refused func()
	ends    chan error
}

func (r *running) run(ctx context.Context, refused func()) error {
	r.now++
	defer func() { r.now-- }()
	r.refused = refused
	select {
	case <-ctx.Done():
		return nil
	case err := <-r.ends:
		return err
	}
}

const recheck = 5 * time.Minute

func TestReportsAreWrittenWhileTheClusterTakesThem(t *testing.T) {
	for sentence, tt := range map[string]struct {
		at      cluster // when it begins
		change  func(*cluster, *running)
		after   time.Duration // when the next state is due
		reasons [2]string     // of the condition before the change and after it
		runs    [2]bool
	}{
		"no check was answered, and then one is": {
			at: cluster{down: errDown}, change: func(c *cluster, _ *running) { c.down, c.resources = nil, []string{"reports"} },
			after: retryInterval, reasons: [2]string{"", v1alpha1.ReasonPublishing}, runs: [2]bool{false, true},
		},
		"Reports are installed": {
			change: func(c *cluster, _ *running) { c.resources = []string{"reports"} }, after: recheck,
			reasons: [2]string{v1alpha1.ReasonNotInstalled, v1alpha1.ReasonPublishing}, runs: [2]bool{false, true},
		},
		"another resource of the group is installed": {
			change: func(c *cluster, _ *running) { c.resources = []string{"clusterreports"} },
			after:  recheck, reasons: [2]string{v1alpha1.ReasonNotInstalled, v1alpha1.ReasonNotInstalled},
		},
		"an obstacle stays while no check is answered": {
			change: func(c *cluster, _ *running) { c.down = errDown },
			after:  recheck, reasons: [2]string{v1alpha1.ReasonNotInstalled, v1alpha1.ReasonNotInstalled},
		},
		"the operator may not delete them": {
			at:     cluster{resources: []string{"reports"}},
			change: func(c *cluster, _ *running) { c.forbidden = []string{"delete"} },
			after:  recheck, reasons: [2]string{v1alpha1.ReasonPublishing, v1alpha1.ReasonForbidden}, runs: [2]bool{true, false},
		},
		"a check that is not answered ends nothing": {
			at: cluster{resources: []string{"reports"}}, change: func(c *cluster, _ *running) { c.down = errDown },
			after: recheck, reasons: [2]string{v1alpha1.ReasonPublishing, v1alpha1.ReasonPublishing}, runs: [2]bool{true, true},
		},
		"a refused Report leads to a check at once": {
			at: cluster{resources: []string{"reports"}}, change: func(c *cluster, r *running) { c.resources = nil; r.refused() },
			after: 0, reasons: [2]string{v1alpha1.ReasonPublishing, v1alpha1.ReasonNotInstalled}, runs: [2]bool{true, false},
		},
		"what writes them ends": {
			at: cluster{resources: []string{"reports"}}, change: func(_ *cluster, r *running) { r.ends <- errDown },
			after: 0, reasons: [2]string{v1alpha1.ReasonPublishing, v1alpha1.ReasonPublishingFailed}, runs: [2]bool{true, false},
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, r := &tt.at, &running{ends: make(chan error)}
				p := New(Options{Client: c, Discovery: c, Run: r.run, Recheck: recheck, Log: logr.Discard()})
				ctx, stop := context.WithCancel(t.Context())
				ended := make(chan error)
				go func() { ended <- p.Start(ctx) }()
				check := func(i int) {
					t.Helper()
					synctest.Wait()
					reason := ""
					if condition := p.Condition(); condition != nil {
						reason = condition.Reason
					}
					if reason != tt.reasons[i] || r.now > 0 != tt.runs[i] {
						t.Errorf("want %q and it runs: %t, got %q and %t", tt.reasons[i], tt.runs[i], reason, r.now > 0)
					}
				}
				check(0)
				tt.change(c, r)
				time.Sleep(tt.after)
				check(1)
				stop()
				if err := <-ended; err != nil || r.now > 0 {
					t.Errorf("it has ended, and still runs: %t, %v", r.now > 0, err)
				}
			})
		})
	}
}

func TestRefusedReportsLeadToFewChecks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, r := &cluster{resources: []string{"reports"}}, &running{}
		p := New(Options{Client: c, Discovery: c, Run: r.run, Recheck: recheck, Log: logr.Discard()})
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- p.Start(ctx) }()
		synctest.Wait()
		c.asked = 0
		for range 9 {
			for range 100 {
				r.refused()
			}
			time.Sleep(doubtInterval / 10)
		}
		synctest.Wait()
		if c.asked != 1 {
			t.Errorf("want one check within %s, got %d", doubtInterval, c.asked)
		}
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func TestAChangedConditionIsTold(t *testing.T) {
	p := New(Options{Log: logr.Discard()})
	told := func() bool {
		select {
		case <-p.Changed():
			return true
		default:
			return false
		}
	}
	for _, step := range []struct {
		what, reason string
		told         bool
	}{
		{"the first one", v1alpha1.ReasonNotInstalled, true},
		{"the same again", v1alpha1.ReasonNotInstalled, false},
		{"another", v1alpha1.ReasonPublishing, true},
	} {
		p.set(metav1.Condition{Reason: step.reason})
		if got := told(); got != step.told {
			t.Errorf("%s: told %t", step.what, got)
		}
	}
	p.set(metav1.Condition{Reason: v1alpha1.ReasonForbidden})
	p.set(metav1.Condition{Reason: v1alpha1.ReasonNotInstalled})
	if !told() || told() {
		t.Error("want one event for two changes that nobody has heard of yet")
	}
	if got := (*Publication)(nil).Condition(); got != nil {
		t.Errorf("no publication says %v", got)
	}
}
