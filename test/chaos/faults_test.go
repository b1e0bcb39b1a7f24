package chaos

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/test/framework/choose"
	"github.com/bulwark-dev/bulwark/test/framework/controlplane"
	"github.com/bulwark-dev/bulwark/test/framework/faultproxy"
)

// replica is an operator that is started again whenever it ends, as a kubelet would, and the proxy
// by which it reaches the API server.
type replica struct {
	proxy *faultproxy.Proxy
	kills atomic.Int64
	// exits are the times that it ended by itself: a leader that has lost its Lease does.
	exits atomic.Int64

	mu      sync.Mutex
	current *controlplane.Operator
	killed  bool
}

// run keeps the replica running until the context ends.
func (r *replica) run(ctx context.Context, w *world, binary string, cfg *rest.Config, args ...string) error {
	defer r.proxy.Close()
	for ctx.Err() == nil {
		operator, err := w.plane.StartOperator(binary, r.proxy.Config(cfg), args...)
		if err != nil {
			return err
		}
		r.mu.Lock()
		r.current, r.killed = operator, false
		r.mu.Unlock()
		select {
		case <-ctx.Done():
			operator.Kill()
		case <-operator.Ended():
			r.mu.Lock()
			if !r.killed {
				r.exits.Add(1)
			}
			r.mu.Unlock()
		}
	}
	return nil
}

// kill kills the operator with -9. It counts if the operator was up.
func (r *replica) kill() {
	r.mu.Lock()
	operator := r.current
	r.killed = true
	r.mu.Unlock()
	if operator == nil {
		return
	}
	if operator.Ready() {
		r.kills.Add(1)
	}
	operator.Kill()
}

// up waits a while for the operator to be up.
func (r *replica) up(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	for {
		r.mu.Lock()
		operator := r.current
		r.mu.Unlock()
		if operator != nil && operator.Ready() {
			return true
		}
		if pause(ctx, 100*time.Millisecond) != nil {
			return false
		}
	}
}

// fault is a way in which the cluster fails for a while.
type fault struct {
	name   string
	weight int
	strike func(context.Context, *world, *rand.Rand) error
}

var faults = []fault{
	{"kill -9", 7, func(ctx context.Context, w *world, r *rand.Rand) error {
		victim, early := choose.OneOf(r, w.replicas...), maybe(r, 0.25)
		if early || victim.up(ctx) {
			victim.kill()
		}
		return nil
	}},
	{"kill -9 between two writes", 12, func(ctx context.Context, w *world, r *rand.Rand) error {
		victim := choose.OneOf(r, w.replicas...)
		if victim.up(ctx) {
			victim.proxy.OnNextWrite(toBaseline, victim.kill)
		}
		return nil
	}},
	{"cut the connections", 3, func(_ context.Context, w *world, r *rand.Rand) error {
		choose.OneOf(r, w.replicas...).proxy.Cut()
		return nil
	}},
	{"calls fail", 10, misbehave},
	{"split the network", 4, splitNetwork},
	{
		"restart the API server",
		2,
		func(_ context.Context, w *world, _ *rand.Rand) error { return w.plane.RestartAPIServer(w.ctx) },
	},
	{"stop etcd for 10 s", 1, func(_ context.Context, w *world, _ *rand.Rand) error {
		return w.plane.PauseEtcd(w.ctx, 10*time.Second)
	}},
	{"revoke the permissions", 2, revokePermissions},
	{"nothing is counted", 3, freezeCounting},
	{"the clock jumps", 4, func(_ context.Context, w *world, r *rand.Rand) error {
		return os.WriteFile(
			w.clockFile,
			[]byte(time.Duration(r.Int64N(int64(4*time.Hour))-int64(2*time.Hour)).String()),
			0o600,
		)
	}},
}

func (f fault) chance() int { return f.weight }

// toBaseline tells the writes that carry out profiles from those by which an operator only shows
// that it lives.
func toBaseline(path string) bool {
	for _, other := range []string{"/selfsubjectaccessreviews", "/leases/", "/events"} {
		if strings.Contains(path, other) {
			return false
		}
	}
	return true
}

// misbehave makes a replica's calls fail from now on, in another measure than before.
func misbehave(_ context.Context, w *world, r *rand.Rand) error {
	choose.OneOf(r, w.replicas...).proxy.Set(faultproxy.Faults{
		Rate:      choose.OneOf(r, 0, 0.01, 0.05, 0.1, 0.2),
		WatchLife: choose.OneOf(r, 0, time.Second, 5*time.Second, 20*time.Second),
		Lag:       choose.OneOf(r, 0, 0, 100*time.Millisecond, time.Second, 3*time.Second),
	})
	return nil
}

// splitNetwork isolates a replica for longer than a leader holds its Lease, or not as long.
func splitNetwork(ctx context.Context, w *world, r *rand.Rand) error {
	victim := choose.OneOf(r, w.replicas...)
	victim.proxy.Isolate()
	defer victim.proxy.Rejoin()
	return pause(ctx, time.Duration(1000+r.IntN(8000))*time.Millisecond)
}

// revokePermissions takes one of the operator's bindings away for a while: all that it may do, or
// what it may grant.
func revokePermissions(ctx context.Context, w *world, r *rand.Rand) error {
	binding := &rbacv1.ClusterRoleBinding{
		ObjectMeta: objectMeta("", choose.OneOf(r, "bulwark-manager", v1alpha1.GrantableClusterRole)),
	}
	away := time.Duration(1000+r.IntN(5000)) * time.Millisecond
	if err := w.insist(
		func() error { return w.admin.Get(w.ctx, client.ObjectKeyFromObject(binding), binding) },
	); err != nil {
		return err
	}
	if err := w.delete(binding); err != nil {
		return err
	}
	interrupted := pause(ctx, away)
	binding.UID, binding.ResourceVersion = "", ""
	_, err := w.create(binding, func() {})
	return errors.Join(interrupted, err)
}

// freezeCounting lets kube-controller-manager stand still for a while: quotas that are made
// meanwhile hold nobody.
func freezeCounting(ctx context.Context, w *world, r *rand.Rand) error {
	standstill := time.Duration(1000+r.IntN(7000)) * time.Millisecond
	if err := w.plane.FreezeControllerManager(); err != nil {
		return err
	}
	return errors.Join(pause(ctx, standstill), w.plane.ThawControllerManager())
}

// strikeUntil strikes again and again until the context ends, and then ends every fault. It counts
// them by name.
func (w *world) strikeUntil(ctx context.Context, r *rand.Rand) (map[string]int, error) {
	counts := map[string]int{}
	for pause(ctx, time.Duration(200+r.IntN(1800))*time.Millisecond) == nil {
		f := weighted(r, faults)
		counts[f.name]++
		if err := f.strike(ctx, w, r); err != nil && ctx.Err() == nil {
			return counts, fmt.Errorf("fault %q: %w", f.name, err)
		}
	}
	for _, replica := range w.replicas {
		replica.proxy.OnNextWrite(nil, nil)
		replica.proxy.Set(faultproxy.Faults{})
		replica.proxy.Cut() // A watch keeps the life that it was given.
	}
	return counts, nil
}

// pause waits, unless the context ends.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
