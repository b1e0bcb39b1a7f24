package discover

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/bulwark-dev/bulwark/internal/baseline"
)

// discovered is an API server that has these resources, or does not tell.
type discovered struct {
	discovery.ServerResourcesInterfaceWithContext
	resources []metav1.APIResource
	err       error
	asked     int
}

func (d *discovered) ServerGroupsAndResourcesWithContext(
	context.Context,
) ([]*metav1.APIGroup, []*metav1.APIResourceList, error) {
	d.asked++
	return nil, []*metav1.APIResourceList{{GroupVersion: "v1", APIResources: d.resources}}, d.err
}

var errEscalation = apierrors.NewForbidden(
	schema.GroupResource{Group: rbacv1.GroupName, Resource: "roles"}, "bulwark-dev", errors.New("escalation"))

func roleOf(resources ...string) *rbacv1.Role {
	return &rbacv1.Role{Rules: []rbacv1.PolicyRule{{
		APIGroups: []string{""}, Resources: resources, Verbs: []string{"get"},
	}}}
}

func TestHintNamesWhatARefusedRoleHasNot(t *testing.T) {
	pods := []metav1.APIResource{{Name: "pods", SingularName: "pod", Kind: "Pod"}}
	for sentence, tc := range map[string]struct {
		api   discovered
		want  baseline.Object
		err   error
		hint  string
		asked int
	}{
		"a resource in the singular": {
			api: discovered{resources: pods}, want: roleOf("pod"), err: errEscalation, asked: 1,
			hint: "; no such resource: there is no resource pod in the core group; pods?",
		},
		"nothing of a role of what there is": {
			api: discovered{resources: pods}, want: roleOf("pods"), err: errEscalation, asked: 1,
		},
		"nothing of another object":  {want: &corev1.LimitRange{}, err: errEscalation},
		"nothing of another failure": {want: roleOf("pod"), err: errors.New("timeout")},
		"nothing if the API server does not tell": {
			api: discovered{err: errors.New("timeout")}, want: roleOf("pod"), err: errEscalation, asked: 1,
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			r := &Resources{discovery: &tc.api, clock: clocktesting.NewFakePassiveClock(time.Now())}
			if got := r.Hint(t.Context(), tc.want, tc.err); got != tc.hint {
				t.Errorf("want the hint %q, got %q", tc.hint, got)
			}
			if tc.api.asked != tc.asked {
				t.Errorf("want the API server asked %d times, got %d", tc.asked, tc.api.asked)
			}
		})
	}
}

func TestResourcesAreAskedForOnceInAWhile(t *testing.T) {
	now := clocktesting.NewFakePassiveClock(time.Now())
	api := &discovered{}
	r := &Resources{discovery: api, clock: now}
	for range 100 {
		if r.Hint(t.Context(), roleOf("widgets"), errEscalation) == "" {
			t.Fatal("want a hint while there are no widgets")
		}
	}
	if api.asked != 1 {
		t.Errorf("want one question for a hundred namespaces, got %d", api.asked)
	}
	api.resources = []metav1.APIResource{{Name: "widgets"}} // A CustomResourceDefinition was installed.
	now.SetTime(now.Now().Add(answerHolds))
	if hint := r.Hint(t.Context(), roleOf("widgets"), errEscalation); hint != "" {
		t.Errorf("want no hint when there are widgets, got %q", hint)
	}
}

func TestFailedDiscoveryIsAskedForOnceInAWhile(t *testing.T) {
	for sentence, failure := range map[string]error{
		"an API server that does not answer": errors.New("timeout"),
		"an aggregated API that is broken": &discovery.ErrGroupDiscoveryFailed{Groups: map[schema.GroupVersion]error{
			{Group: "metrics.k8s.io", Version: "v1beta1"}: errors.New("503"),
		}},
		"a pass that ended meanwhile": context.DeadlineExceeded,
	} {
		t.Run(sentence, func(t *testing.T) {
			now := clocktesting.NewFakePassiveClock(time.Now())
			api := &discovered{err: failure}
			r := &Resources{discovery: api, clock: now}
			for range 100 {
				r.Hint(t.Context(), roleOf("widgets"), errEscalation)
			}
			if api.asked != 1 {
				t.Errorf("want one question for a hundred namespaces, got %d", api.asked)
			}
			api.err = nil
			now.SetTime(now.Now().Add(answerHolds))
			if hint := r.Hint(t.Context(), roleOf("widgets"), errEscalation); hint == "" {
				t.Error("want a hint once the API server tells again")
			}
		})
	}
}

func TestDiscoveryThatHangsDelaysNoReconcileForLong(t *testing.T) {
	r := &Resources{discovery: boundedDiscovery{t: t}, clock: clocktesting.NewFakePassiveClock(time.Now())}
	r.Hint(t.Context(), roleOf("widgets"), errEscalation)
}

// boundedDiscovery wants a deadline of whoever asks.
type boundedDiscovery struct {
	discovery.ServerResourcesInterfaceWithContext
	t *testing.T
}

func (d boundedDiscovery) ServerGroupsAndResourcesWithContext(
	ctx context.Context,
) ([]*metav1.APIGroup, []*metav1.APIResourceList, error) {
	if deadline, bounded := ctx.Deadline(); !bounded || time.Until(deadline) > discoveryTimeout {
		d.t.Errorf("want a deadline within %s", discoveryTimeout)
	}
	return nil, nil, ctx.Err()
}

func TestAHintIsBounded(t *testing.T) {
	r := &Resources{discovery: &discovered{}, clock: clocktesting.NewFakePassiveClock(time.Now())}
	hint := r.Hint(t.Context(), roleOf(strings.Repeat("é", 250), strings.Repeat("ö", 250)), errEscalation)
	if n := utf8.RuneCountInString(hint); n < MaxHintRunes || !utf8.ValidString(hint) {
		t.Errorf("want %d whole characters and what tells that it is cut, got %d", MaxHintRunes, n)
	}
}
