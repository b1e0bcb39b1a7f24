// Package chaos runs the operator in a cluster in which people do whatever they may, legal and
// hostile, while everything fails that can fail; and then holds the cluster against a model of what
// it must have become.
//
// CHAOS_MINUTES says for how long, by default one seed that is always the same; CHAOS_SEED is the
// first seed, and with CHAOS_MINUTES by default the time. A failure prints its seed. The operations
// that a seed draws are always the same; when they meet which fault is not.
package chaos

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/onsi/gomega/gexec"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	corev1 "k8s.io/api/core/v1"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/internal/operator"
	"github.com/bulwark-dev/bulwark/test/framework/controlplane"
	"github.com/bulwark-dev/bulwark/test/framework/faultproxy"
	"github.com/bulwark-dev/bulwark/test/framework/testbed"
)

const (
	// turmoil is how long operations and faults go on with one seed.
	turmoil = 75 * time.Second
	// bound is how long the world may take to equal the model once the faults have stopped: the
	// longest wait between two tries is a minute, and a watch that was refused comes back within
	// half of one.
	bound = 150 * time.Second
	// leastWrites is how many writes an operator that works makes in the turmoil.
	leastWrites = 40
	// quiet is how long nothing may be written afterwards.
	quiet = 5 * time.Second
)

func TestTheWorldEqualsTheModel(t *testing.T) {
	first := "1"
	if os.Getenv("CHAOS_MINUTES") != "" {
		first = fmt.Sprint(time.Now().Unix())
	}
	seed, err := strconv.ParseUint(environment("CHAOS_SEED", first), 10, 64)
	if err != nil {
		t.Fatalf("CHAOS_SEED: %v", err)
	}
	minutes, err := strconv.ParseFloat(environment("CHAOS_MINUTES", "0"), 64)
	if err != nil {
		t.Fatalf("CHAOS_MINUTES: %v", err)
	}
	s := start(t)
	until := time.Now().Add(time.Duration(minutes * float64(time.Minute)))
	for n := 0; n == 0 || time.Now().Before(until); n++ {
		if !t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) { s.run(t, seed) }) {
			break
		}
		s.seeds++
		seed++
	}
	t.Logf(
		"%d seeds, %d kills, %d faults of single calls, %d operations; %d drifts recorded",
		s.seeds,
		s.kills,
		s.injected,
		s.operations,
		s.drifts,
	)
}

func environment(name, byDefault string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return byDefault
}

// suite is the control plane that all seeds share, and what they come to.
type suite struct {
	plane  *controlplane.ControlPlane
	binary string
	// admin and root are as in world.
	admin, root client.Client

	seeds, operations       int
	kills, injected, drifts int64
}

func start(t *testing.T) *suite {
	t.Helper()
	var race []string
	if os.Getenv("CHAOS_RACE") != "" {
		race = []string{"-race"}
	}
	binary, err := gexec.Build("github.com/bulwark-dev/bulwark/test/chaos/operator", race...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(gexec.CleanupBuildArtifacts)
	plane := testbed.Installed(t, controlplane.TypeChecked()).Plane
	cfg := rest.CopyConfig(plane.Config)
	cfg.Timeout = 20 * time.Second // While etcd stands still nothing answers.
	cfg.WarningHandler = rest.NoWarnings{}
	cfg.Impersonate = rest.ImpersonationConfig{UserName: "chaos-root", Groups: []string{"system:masters"}}
	root, err := client.New(cfg, client.Options{Scheme: operator.Scheme()})
	if err != nil {
		t.Fatal(err)
	}
	cfg.Impersonate = rest.ImpersonationConfig{UserName: "chaos-admin", Groups: []string{"system:masters", breakGlass}}
	admin, err := client.New(cfg, client.Options{Scheme: operator.Scheme()})
	if err != nil {
		t.Fatal(err)
	}
	return &suite{plane: plane, admin: admin, root: root, binary: binary}
}

// run runs one seed.
func (s *suite) run(t *testing.T, seed uint64) {
	w := &world{
		ctx: t.Context(), plane: s.plane, admin: s.admin, root: s.root,
		model: newModel(fmt.Sprintf("c%d-", seed)), clockFile: filepath.Join(t.TempDir(), "clock"),
	}
	stop := s.startReplicas(t, w, seed)
	defer func() {
		stop()
		s.keepLogs(t, seed)
	}()
	fmt.Fprintf(
		os.Stderr,
		"chaos: seed %d: %v of operations and faults on %d replicas, then up to %v till all is as it must be\n",
		seed,
		turmoil,
		len(w.replicas),
		bound,
	)
	trail := s.plane.AuditTrail(controlplane.OperatorUser)
	if _, err := trail.Next(); err != nil {
		t.Fatal(err)
	}
	operations, struck := w.turmoil(t, seed)
	writes, err := trail.Next()
	if err != nil {
		t.Fatal(err)
	}
	s.settle(t, w)
	s.account(t, w, operations, struck, baselineWrites(writes))
	w.examine(t)
	w.cleanUp(t)
	stop()
	s.checkLogs(t)
}

// startReplicas runs one operator, or for every other seed two of which one leads.
func (s *suite) startReplicas(t *testing.T, w *world, seed uint64) (stop func()) {
	t.Helper()
	cfg, err := s.plane.OperatorConfig(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	n := 1 + int(seed%2)
	for i := range n {
		proxy, err := faultproxy.Start(s.plane.Config, seed+uint64(i)<<32)
		if err != nil {
			t.Fatal(err)
		}
		r := &replica{proxy: proxy}
		w.replicas = append(w.replicas, r)
		running.Go(func() {
			err := r.run(ctx, w, s.binary, cfg, "--clock-offset-file="+w.clockFile, "--leader-elect="+strconv.FormatBool(n > 1))
			if err != nil {
				t.Error(err)
			}
		})
	}
	return sync.OnceFunc(func() { cancel(); running.Wait() })
}

// turmoil lets operations and faults go on side by side, and then ends the faults.
func (w *world) turmoil(t *testing.T, seed uint64) (operated, struck map[string]int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, turmoil)
	defer cancel()
	var striking sync.WaitGroup
	striking.Go(func() {
		var err error
		if struck, err = w.strikeUntil(ctx, rand.New(rand.NewPCG(seed, 1))); err != nil {
			t.Error(err)
		}
	})
	operated = map[string]int{}
	r := rand.New(rand.NewPCG(seed, 2))
	for pause(ctx, time.Duration(r.IntN(150))*time.Millisecond) == nil {
		o := weighted(r, everyOperation)
		skipped, err := o.do(w, r)
		if err != nil {
			t.Errorf("to %s: %v", o.name, err)
			break
		}
		if !skipped {
			operated[o.name]++
		}
	}
	striking.Wait()
	for name := range w.model.namespaces {
		if err := w.delete(&corev1.ResourceQuota{ObjectMeta: objectMeta(name, reportQuota)}); err != nil {
			t.Error(err)
		}
	}
	return operated, struck
}

// settle waits until the world equals the model and nothing is written any more.
func (s *suite) settle(t *testing.T, w *world) {
	t.Helper()
	began := time.Now()
	trail := s.plane.AuditTrail(controlplane.OperatorUser)
	for {
		w.awaitModel(t, began)
		took := time.Since(began)
		if _, err := trail.Next(); err != nil {
			t.Fatal(err)
		}
		if pause(w.ctx, quiet) != nil {
			return
		}
		writes, err := trail.Next()
		if err != nil {
			t.Fatal(err)
		}
		if writes = baselineWrites(writes); len(writes) == 0 {
			t.Logf("the world equals the model after %v", took.Round(100*time.Millisecond))
			return
		}
		if time.Since(began) > bound {
			t.Fatalf("written though everything is as it must be: %+v", writes)
		}
	}
}

// awaitModel waits until the world equals the model.
func (w *world) awaitModel(t *testing.T, since time.Time) {
	t.Helper()
	for polls := 1; ; polls++ {
		differences, err := w.differences()
		if err == nil && len(differences) == 0 {
			return
		}
		if time.Since(since) > bound {
			t.Fatalf("after %v the world is not the model (%v):\n%s", bound, err, strings.Join(differences, "\n"))
		}
		if polls%40 == 0 {
			fmt.Fprintf(os.Stderr, "chaos: after %v: %d differences (%v), such as %.300s\n",
				time.Since(since).Round(time.Second), len(differences), err, strings.Join(differences, "; "))
		}
		if err := pause(w.ctx, 250*time.Millisecond); err != nil {
			t.Fatal(err)
		}
	}
}

// baselineWrites are those that carry profiles out, but for the tries to grant what may not be
// granted.
func baselineWrites(writes []controlplane.Write) []controlplane.Write {
	return slices.DeleteFunc(writes, func(write controlplane.Write) bool {
		refused := write.ResponseStatus >= 300 &&
			(write.Name == v1alpha1.NamePrefix+greedy || write.Resource == "rolebindings")
		return refused || !write.Stored() || write.Resource == "events"
	})
}

// account logs what the seed came to. A seed in which the operator hardly worked proves nothing.
func (s *suite) account(t *testing.T, w *world, operated, struck map[string]int, writes []controlplane.Write) {
	t.Helper()
	var kills, exits, injected int64
	for _, r := range w.replicas {
		kills, exits, injected = kills+r.kills.Load(), exits+r.exits.Load(), injected+r.proxy.Injected()
	}
	for _, n := range operated {
		s.operations += n
	}
	var reports v1alpha1.NamespacePostureList
	if err := w.admin.List(w.ctx, &reports); err != nil {
		t.Fatal(err)
	}
	drifts, found, blocked := int64(0), 0, 0
	for _, report := range reports.Items {
		drifts, found, blocked = drifts+report.DriftTotal, found+len(report.Findings), blocked+int(report.Summary.Blocked)
	}
	s.drifts += drifts
	s.kills, s.injected = s.kills+kills, s.injected+injected
	if len(writes) < leastWrites || kills == 0 {
		t.Errorf("in the turmoil the operator made %d writes and was killed %d times while it was up", len(writes), kills)
	}
	t.Logf(
		"%d writes, %d drifts recorded, %d findings and %d blocked objects at the end; %d replicas, killed %d times while up, ended by themselves %d times; %d faults of single calls\nfaults: %s\noperations: %s\n%d namespaces, %d profiles at the end",
		len(
			writes,
		),
		drifts,
		found,
		blocked,
		len(w.replicas),
		kills,
		exits,
		injected,
		counts(struck),
		counts(operated),
		len(w.model.namespaces),
		len(w.model.profiles),
	)
}

func counts(of map[string]int) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(of)) {
		parts = append(parts, fmt.Sprintf("%s %d", name, of[name]))
	}
	return strings.Join(parts, ", ")
}

// cleanUp deletes the profiles, holds that what was to be retained is, and of everything else
// nothing, and then deletes the namespaces.
func (w *world) cleanUp(t *testing.T) {
	t.Helper()
	retained := w.retained(t)
	for name := range w.model.profiles {
		if err := w.delete(&v1alpha1.SecurityProfile{ObjectMeta: objectMeta("", name)}); err != nil {
			t.Fatal(err)
		}
	}
	clear(w.model.profiles)
	w.awaitModel(t, time.Now())
	for _, o := range retained {
		live := baseline.KindOf(o).New()
		if err := w.admin.Get(w.ctx, client.ObjectKeyFromObject(o), live); err != nil || live.GetUID() != o.GetUID() {
			t.Errorf("%s was to be retained: %v", key(o.(client.Object)), err)
		}
	}
	t.Logf("%d objects were retained", len(retained))
	for name := range w.model.namespaces {
		if err := w.endNamespace(name); err != nil {
			t.Fatal(err)
		}
	}
	w.deletePolicies(t)
}

// retained are the objects that must outlive the profiles: the baselines of those that retain them,
// where no other selects.
func (w *world) retained(t *testing.T) []baseline.Object {
	t.Helper()
	var retained []baseline.Object
	for name, tier := range w.model.namespaces {
		selecting := w.model.selecting(name, tier)
		if len(selecting) != 1 || selecting[0].EffectiveDeletionPolicy() != v1alpha1.DeletionPolicyRetain ||
			selecting[0].EffectiveEnforcement() != v1alpha1.EnforcementEnforce {
			continue
		}
		for i := range baseline.NamespacedKinds {
			objects, err := w.labelled(&baseline.NamespacedKinds[i], name)
			if err != nil {
				t.Fatal(err)
			}
			retained = append(retained, objects...)
		}
	}
	return slices.DeleteFunc(retained, baseline.BelongsToNamespace)
}

// keepLogs copies the logs of a seed that failed to bin/chaos, since the control plane's files go
// with it.
func (s *suite) keepLogs(t *testing.T, seed uint64) {
	t.Helper()
	if !t.Failed() {
		return
	}
	to := filepath.Join(controlplane.Root(), "bin", "chaos", fmt.Sprint(seed))
	if err := s.plane.KeepLogs(to); err != nil {
		t.Error(err)
		return
	}
	t.Logf("the operators' logs are in %s", to)
}

// checkLogs holds that no operator has panicked or raced.
func (s *suite) checkLogs(t *testing.T) {
	t.Helper()
	found, err := s.plane.SearchLogs("DATA RACE", "Observed a panic", "panic:", "fatal error:")
	if err != nil {
		t.Error(err)
	}
	for _, line := range found {
		t.Error(line)
	}
}
