package main

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
)

// tampering is one change that a tenant makes to an object of the baseline. An empty patch deletes
// it.
type tampering struct {
	kind  schema.GroupVersionKind
	name  string // empty is the namespace itself
	patch string
}

var tamperings = []tampering{
	{kinds[0], "bulwark-default-deny", ""},
	{kinds[0], "bulwark-default-deny", `{"spec":{"policyTypes":["Ingress"]}}`},
	{kinds[1], "bulwark-limits", `{"spec":{"limits":[]}}`},
	{kinds[2], "bulwark-compute", `{"spec":{"hard":{"pods":"5000"}}}`},
	{kinds[4], "bulwark-developer", `{"rules":[{"apiGroups":[""],"resources":["secrets"],"verbs":["get"]}]}`},
	{kinds[5], "bulwark-developer", ""},
	{
		schema.GroupVersionKind{Version: "v1", Kind: "Namespace"}, "",
		`{"metadata":{"labels":{"pod-security.kubernetes.io/enforce":"privileged"}}}`,
	},
}

// tenant makes drift all the time, and no object's more often than twice in the ten minutes that
// make it a contest.
type tenant struct {
	began, ends      time.Time
	pause            time.Duration
	changes, comings atomic.Int64
	stopped          chan struct{}
}

// startDrift lets the tenant begin, beside all that follows.
func startDrift(ctx context.Context, s *stage) error {
	s.title("A tenant makes drift for %s, beside all that follows", s.drift)
	began := time.Now()
	s.tenant = &tenant{began: began, ends: began.Add(s.drift), pause: 2 * time.Second, stopped: make(chan struct{})}
	go makeDrift(ctx, s)
	return nil
}

func makeDrift(ctx context.Context, s *stage) {
	defer close(s.tenant.stopped)
	for turn := 0; time.Now().Before(s.tenant.ends) && ctx.Err() == nil; turn++ {
		way := ways[turn%len(ways)].name
		// Each namespace has its turn before an object of it has its second.
		namespace := fmt.Sprintf("%s-%d", way, turn/len(ways)%tenants)
		if tamper(ctx, s, namespace, tamperings[turn/len(ways)/tenants%len(tamperings)]) == nil {
			s.tenant.changes.Add(1)
		}
		if turn%5 == 0 {
			comeAndGo(ctx, s, way, turn)
		}
		s.rest(ctx, s.tenant.pause)
	}
}

func tamper(ctx context.Context, s *stage, namespace string, t tampering) error {
	o := &unstructured.Unstructured{}
	o.SetGroupVersionKind(t.kind)
	o.SetNamespace(namespace)
	o.SetName(t.name)
	if t.name == "" {
		o.SetNamespace("")
		o.SetName(namespace)
	}
	if t.patch == "" {
		return s.client.Delete(ctx, o)
	}
	return s.client.Patch(ctx, o, client.RawPatch(types.MergePatchType, []byte(t.patch)), client.FieldOwner("tenant"))
}

// comeAndGo makes a namespace, and deletes the one that came four times before.
func comeAndGo(ctx context.Context, s *stage, way string, turn int) {
	if s.namespace(ctx, fmt.Sprintf("%s-guest-%d", way, turn), way) == nil {
		s.tenant.comings.Add(1)
	}
	if old := turn - 20; old >= 0 {
		name := fmt.Sprintf("%s-guest-%d", ways[old%len(ways)].name, old)
		// One that stays does no harm.
		_ = s.client.Delete(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}})
	}
}

// contests has one field changed all the time, which the health check must call Degraded.
func contests(ctx context.Context, s *stage) error {
	s.title("One field is changed back again and again")
	from, name := time.Now(), ways[0].name
	for range 20 {
		_ = tamper(ctx, s, name+"-0", tamperings[3]) // It may be refused while the object is replaced.
		s.rest(ctx, time.Second)
	}
	degraded := s.until(ctx, func() bool {
		for _, m := range s.watch.since(line{"health", name}, from) {
			if m.state == "Degraded" {
				return true
			}
		}
		return false
	})
	why := ""
	for _, m := range s.watch.since(line{"profile", name}, from) {
		if m.state == "Degraded" {
			why = m.why
		}
	}
	seen, healed := s.settled(ctx, name)
	s.table.add("somebody changes the same field 20 times in 20 seconds", "Degraded, and Healthy again once it ends",
		fmt.Sprintf("Degraded: %v (%s); then %s", degraded, why, seen), degraded && healed)
	return nil
}

// lag is how long Argo CD may take to show what a profile says.
const lag = 15 * time.Second

// endsDrift waits for the end of the drift, and judges what Argo CD showed all the time.
func endsDrift(ctx context.Context, s *stage) error {
	s.title("Until %s the tenant goes on", s.tenant.ends.Format("15:04:05"))
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-s.tenant.stopped:
	}
	what := fmt.Sprintf("%s of drift: %d changes of baseline objects, %d namespaces come and most of them go", s.drift,
		s.tenant.changes.Load(), s.tenant.comings.Load())
	for _, way := range ways {
		judgeDrift(ctx, s, way.name, what)
		what = "the same drift"
	}
	changes := s.watch.since(line{"sync", operatorApp}, s.tenant.began)
	s.table.add("the Application of config/default, from the first drift to the last",
		"never leaves Synced", told(changes), len(changes) == 0)
	return nil
}

func judgeDrift(ctx context.Context, s *stage, name, what string) {
	end, _ := s.settled(ctx, name)
	var corrected v1alpha1.SecurityProfile
	_ = s.client.Get(ctx, client.ObjectKey{Name: name}, &corrected) // Zero corrections fail the row.
	syncs := s.watch.since(line{"sync", name}, s.tenant.began)
	healths := s.watch.since(line{"health", name}, s.tenant.began)
	unfounded := 0
	for _, m := range healths {
		founded := false
		for _, p := range s.watch.between(line{"profile", name}, m.at.Add(-lag), m.at) {
			founded = founded || p.state == m.state
		}
		if !founded {
			unfounded++
		}
		fmt.Printf("         %s %s becomes %s\n", m.at.Format("15:04:05"), name, m.state)
	}
	for _, p := range s.watch.since(line{"profile", name}, s.tenant.began) {
		fmt.Printf("         %s profile %s must be %s: %s\n", p.at.Format("15:04:05"), name, p.state, p.why)
	}
	s.table.add(what+": "+wayNames[name], "never leaves Synced; health changes only as the health check must say",
		fmt.Sprintf("sync: %s; health: %s, %d of these unfounded; %d drifts in the profile's status; at the end %s",
			told(syncs), told(healths), unfounded, corrected.Status.DriftTotal, end),
		len(syncs) == 0 && unfounded == 0 && corrected.Status.DriftTotal > 0)
}
