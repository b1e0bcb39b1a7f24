package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"math"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/test/framework/controlplane"
)

func TestPercentileIsAValueThatWasMeasured(t *testing.T) {
	hundred := make([]float64, 100)
	for i := range hundred {
		hundred[99-i] = float64(i + 1)
	}
	for name, test := range map[string]struct {
		values []float64
		p      float64
		want   float64
	}{
		"the 99th of a hundred is the second largest": {hundred, 99, 99},
		"the 100th is the largest":                    {hundred, 100, 100},
		"the 50th of a hundred is the 50th":           {hundred, 50, 50},
		"the 0th is the smallest":                     {hundred, 0, 1},
		"of one value it is that":                     {[]float64{7}, 99, 7},
	} {
		if got := percentile(test.values, test.p); got != test.want {
			t.Errorf("%s: got %v, want %v", name, got, test.want)
		}
	}
	if got := percentile(nil, 99); !math.IsNaN(got) {
		t.Errorf("of no values: got %v", got)
	}
}

func TestMedian(t *testing.T) {
	for name, test := range map[string]struct {
		values []float64
		want   float64
	}{
		"of an odd number it is the one in the middle":        {[]float64{9, 1, 5}, 5},
		"of an even number it is the mean of the two":         {[]float64{4, 1, 2, 100}, 3},
		"one that is far off does not move it from its place": {[]float64{1, 2, 1e9}, 2},
	} {
		if got := median(test.values); got != test.want {
			t.Errorf("%s: got %v, want %v", name, got, test.want)
		}
	}
}

func TestMostWithinAndClosest(t *testing.T) {
	at := func(milliseconds ...int) []time.Time {
		var times []time.Time
		for _, ms := range milliseconds {
			times = append(times, time.Unix(0, 0).Add(time.Duration(ms)*time.Millisecond))
		}
		return times
	}
	for name, test := range map[string]struct {
		times   []time.Time
		most    int
		closest time.Duration
	}{
		"one a second": {at(0, 1000, 2000), 1, time.Second},
		"two within a second, whatever the order": {at(2500, 0, 2000), 2, 500 * time.Millisecond},
		"both ends count":                         {at(0, 950), 2, 950 * time.Millisecond},
		"a burst in the middle":                   {at(0, 1000, 1100, 1200, 3000), 3, 100 * time.Millisecond},
	} {
		if got := mostWithin(test.times, statusWindow); got != test.most {
			t.Errorf("%s: got %d within, want %d", name, got, test.most)
		}
		if got, _ := closest(test.times); got != test.closest {
			t.Errorf("%s: the closest are %s apart, want %s", name, got, test.closest)
		}
	}
	if got := mostWithin(nil, statusWindow); got != 0 {
		t.Errorf("of none: got %d", got)
	}
	if _, ok := closest(at(1)); ok {
		t.Error("one has no neighbour")
	}
}

func TestFigureIsJudged(t *testing.T) {
	for name, test := range map[string]struct {
		figure figure
		want   string
	}{
		"better than the aim":          {figure{Value: 1.1}.must(atMost, 1.6, 1.2), "aim reached"},
		"at the aim":                   {figure{Value: 1.2}.must(atMost, 1.6, 1.2), "aim reached"},
		"between aim and must":         {figure{Value: 1.4}.must(atMost, 1.6, 1.2), "reached"},
		"worse than must":              {figure{Value: 1.61}.must(atMost, 1.6, 1.2), "NOT REACHED"},
		"a division's last bit is not": {figure{Value: 0.1 + 0.2}.must(atMost, 0.3, 0.3), "aim reached"},
		"too few are not exactly":      {figure{Value: 1.999}.must(exactly, 2, 2), "NOT REACHED"},
		"what could not be measured":   {figure{Value: math.NaN()}.must(atMost, 1, 1), "NOT REACHED"},
		"for information":              {information("x", 1, "s"), ""},
	} {
		if got := test.figure.verdict(); got != test.want {
			t.Errorf("%s: got %q, want %q", name, got, test.want)
		}
	}
}

func TestMissedFiguresAreNamed(t *testing.T) {
	r := &results{}
	r.figure(figure{Name: "good", Value: 1}.must(atMost, 1, 1))
	r.figure(information("free", 99, "s"))
	if err := r.missed(); err != nil {
		t.Errorf("nothing is missed: got %v", err)
	}
	r.figure(figure{Name: "bad", Value: 2}.must(atMost, 1, 1))
	r.figure(figure{Name: "worse", Value: 3}.must(atMost, 1, 1))
	if err := r.missed(); err == nil || err.Error() != "not reached: bad; worse" {
		t.Errorf("got %v", err)
	}
}

func TestBenchmarksAreInGosFormat(t *testing.T) {
	r := &results{Machine: machine{OS: "linux", Arch: "amd64", CPU: "a CPU", Commit: "abc"}}
	r.sample("Onboard/by=floor", measure{31.25, "sec/op"}, measure{0.00000012, "writes/namespace"})
	want := `goos: linux
goarch: amd64
pkg: github.com/bulwark-dev/bulwark/test/bench
cpu: a CPU
# commit abc
BenchmarkOnboard/by=floor 1 31.25 sec/op 0.00000012 writes/namespace
`
	if diff := cmp.Diff(want, string(r.benchmarks())); diff != "" {
		t.Error(diff)
	}
}

func TestTableIsAligned(t *testing.T) {
	r := &results{Machine: machine{CPU: "a CPU", CPUs: 2, Go: "go1", Commit: "abc"}}
	r.figure(figure{Name: "ratio", Value: 1.2345}.must(atMost, 1.6, 1.2).because("3 rounds"))
	r.figure(information("time", 31, "s"))
	var out strings.Builder
	if err := r.print(&out); err != nil {
		t.Fatal(err)
	}
	want := `
a CPU, 2 CPUs, go1, commit abc

FIGURE  VALUE  UNIT  MUST      AIM    VERDICT  NOTE
ratio   1.234        <= 1.600  1.200  reached  3 rounds
time    31     s                               
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Error(diff)
	}
}

func TestWritesAreClassified(t *testing.T) {
	for name, test := range map[string]struct {
		write  controlplane.Write
		want   class
		stored bool
	}{
		"a NetworkPolicy":      {controlplane.Write{Resource: "networkpolicies"}, baselineWrite, true},
		"a namespace's labels": {controlplane.Write{Resource: "namespaces"}, baselineWrite, true},
		"a report":             {controlplane.Write{Resource: "namespacepostures"}, baselineWrite, true},
		"a refused write":      {controlplane.Write{Resource: "roles", ResponseStatus: 403}, baselineWrite, true},
		"a policy":             {controlplane.Write{Resource: "validatingadmissionpolicies"}, policyWrite, true},
		"a policy's binding":   {controlplane.Write{Resource: "validatingadmissionpolicybindings"}, policyWrite, true},
		"a status":             {controlplane.Write{Resource: "securityprofiles", Subresource: "status"}, statusWrite, true},
		"a finalizer":          {controlplane.Write{Resource: "securityprofiles"}, profileWrite, true},
		"an event":             {controlplane.Write{Resource: "events"}, eventWrite, true},
		"a lease":              {controlplane.Write{Resource: "leases"}, upkeepWrite, false},
		"a self-check":         {controlplane.Write{Resource: "selfsubjectaccessreviews"}, upkeepWrite, false},
	} {
		if got := classOf(test.write); got != test.want {
			t.Errorf("%s: got %d, want %d", name, got, test.want)
		}
		if got := len(stored([]controlplane.Write{test.write})) == 1; got != test.stored {
			t.Errorf("%s: stored is %t", name, got)
		}
	}
}

func TestMemoryIsJudgedByTheLarger(t *testing.T) {
	for name, test := range map[string]struct {
		restarted, rested float64
		want              string
	}{
		"after a restart":     {600 * mebibyte, 100 * mebibyte, "NOT REACHED"},
		"after the rest":      {100 * mebibyte, 600 * mebibyte, "NOT REACHED"},
		"neither is too much": {100 * mebibyte, 300 * mebibyte, "reached"},
		"there was no rest":   {100 * mebibyte, 0, "aim reached"},
	} {
		if got := judgeMemory(10, test.restarted, test.rested).verdict(); got != test.want {
			t.Errorf("%s: got %q, want %q", name, got, test.want)
		}
	}
}

func TestOnboardingIsJudgedRoundByRound(t *testing.T) {
	rounds := func(seconds ...time.Duration) []onboarding {
		var rounds []onboarding
		for _, s := range seconds {
			rounds = append(rounds, onboarding{took: s * time.Second})
		}
		return rounds
	}
	for name, test := range map[string]struct {
		operators, floors []onboarding
		want              float64
		verdict           string
	}{
		"a machine that becomes slower":     {rounds(12, 36, 48), rounds(10, 20, 40), 1.2, "aim reached"},
		"one round in which it became so":   {rounds(15, 40, 14), rounds(10, 10, 10), 1.5, "reached"},
		"an operator that is always slower": {rounds(17, 34, 70), rounds(10, 20, 40), 1.7, "NOT REACHED"},
	} {
		got := judgeRounds(test.operators, test.floors)
		if math.Abs(got.Value-test.want) > 1e-9 || got.verdict() != test.verdict {
			t.Errorf("%s: got %v, %s", name, got.Value, got.verdict())
		}
	}
}

func TestResultsOfAnEarlierRunAreKept(t *testing.T) {
	folder := t.TempDir()
	began := time.Date(2026, 11, 25, 3, 20, 30, 0, time.UTC)
	for _, r := range []*results{
		{Began: began, Machine: machine{Commit: "abcdef012345"}},
		{Began: began.Add(time.Hour), Machine: machine{Commit: "abcdef012345-dirty"}},
	} {
		if err := r.write(folder); err != nil {
			t.Fatal(err)
		}
	}
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	want := []string{
		"results-20261125T0320-abcdef0.json", "results-20261125T0320-abcdef0.txt",
		"results-20261125T0420-abcdef0-dirty.json", "results-20261125T0420-abcdef0-dirty.txt",
		"results.json", "results.txt",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestMetricsSayWhetherAControllerIdles(t *testing.T) {
	const busy = `# HELP workqueue_depth Current depth
workqueue_depth{controller="namespace",name="namespace",priority="-100"} 0
workqueue_depth{controller="namespace",name="namespace",priority="0"} 2
controller_runtime_active_workers{controller="namespace"} 0
controller_runtime_reconcile_total{controller="namespace",result="error"} 1
controller_runtime_reconcile_total{controller="namespace",result="success"} 9
controller_runtime_reconcile_total{controller="securityprofile",result="success"} 90
`
	for name, test := range map[string]struct {
		text   string
		passes int
		want   bool
	}{
		"something waits":          {busy, 10, false},
		"nothing waits":            {strings.Replace(busy, `"0"} 2`, `"0"} 0`, 1), 10, true},
		"too few passes":           {strings.Replace(busy, `"0"} 2`, `"0"} 0`, 1), 11, false},
		"it has not started yet":   {"", 0, false},
		"one is still at work":     {strings.NewReplacer(`"0"} 2`, `"0"} 0`, `workers{controller="namespace"} 0`, `workers{controller="namespace"} 1`).Replace(busy), 10, false},
		"another one's is another": {strings.ReplaceAll(busy, `"namespace"`, `"other"`), 0, false},
	} {
		m, err := parseMetrics(strings.NewReader(test.text))
		if err != nil {
			t.Fatal(err)
		}
		if got := m.idle("namespace", test.passes); got != test.want {
			t.Errorf("%s: got %t", name, got)
		}
	}
}

func TestStatIsReadBehindTheName(t *testing.T) {
	const stat = "42 (a ) name) S 1 42 42 0 -1 4194304 1 0 0 0 250 150 0 0 20 0 9 0 100 1000000 512 18446744073709551615\n"
	got, err := parseStat([]byte(stat), 4096)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(usage{cpuSeconds: 4, resident: 2 << 20}, got, cmp.AllowUnexported(usage{})); diff != "" {
		t.Error(diff)
	}
	for _, broken := range []string{"", "42 (name", "42 (name) S 1 2"} {
		if _, err := parseStat([]byte(broken), 4096); err == nil {
			t.Errorf("%q is not refused", broken)
		}
	}
}

func TestOptions(t *testing.T) {
	o, err := parseOptions(
		[]string{"-only=drift,scale", "-scale=10,20", "-rest=5s", "-operator-args=--concurrency=4 --log-level=debug"},
		io.Discard,
	)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"drift", "scale"}, o.Only); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]int{10, 20}, o.Scale); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"--concurrency=4", "--log-level=debug"}, o.OperatorArgs); diff != "" {
		t.Error(diff)
	}
	for _, wrong := range []string{"-only=nothing", "-scale=20,10", "-scale=x", "-rounds=0", "-drifts=-1", "-pods=0", "more"} {
		if _, err := parseOptions([]string{wrong}, io.Discard); err == nil {
			t.Errorf("%s is not refused", wrong)
		}
	}
}

func TestParallelDoesEverythingOnceOrSaysWhatFailed(t *testing.T) {
	var done [100]atomic.Int64
	if err := parallel(
		t.Context(),
		8,
		len(done),
		func(_ context.Context, i int) error { done[i].Add(1); return nil },
	); err != nil {
		t.Fatal(err)
	}
	for i := range done {
		if n := done[i].Load(); n != 1 {
			t.Errorf("%d was done %d times", i, n)
		}
	}
	broken := errors.New("broken")
	err := parallel(t.Context(), 8, 100, func(_ context.Context, i int) error {
		if i == 3 {
			return broken
		}
		return nil
	})
	if !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}

func TestTheFloorWritesWhatTheOperatorWouldUnderLabelsOfItsOwn(t *testing.T) {
	owner, err := restricted("owner")
	if err != nil {
		t.Fatal(err)
	}
	want, got := baseline.Render(owner, "ns"), render(owner, "ns")
	if len(want) != len(got) {
		t.Fatalf("got %d objects, want %d", len(got), len(want))
	}
	for i := range want {
		if _, ours := got[i].GetLabels()[v1alpha1.ProfileLabel]; ours {
			t.Errorf("%s is seen by the operator", got[i].GetName())
		}
		if size(t, want[i]) != size(t, got[i]) {
			t.Errorf("%s is not of the same size", got[i].GetName())
		}
	}
	if len(floorGroup) != len(v1alpha1.GroupVersion.Group) {
		t.Error("the groups are not of the same size")
	}
}

func TestTheFloorsReportIsACopy(t *testing.T) {
	owner := &v1alpha1.SecurityProfile{}
	owner.Name, owner.UID = "owner", "uid"
	report := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": v1alpha1.GroupVersion.String(), "kind": "NamespacePosture", "ready": true,
		"metadata": map[string]any{
			"name": "posture", "namespace": "a", "resourceVersion": "7", "uid": "other",
			"labels": map[string]any{v1alpha1.ProfileLabel: "p"},
		},
	}}
	data, err := copyOf(report, owner, "b")
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(data, &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"apiVersion": floorGroup + "/v1alpha1", "kind": "NamespacePosture", "ready": true,
		"metadata": map[string]any{
			"name": "posture", "namespace": "b", "labels": map[string]any{floorGroup + "/profile": "p"},
			"ownerReferences": []any{
				map[string]any{
					"apiVersion": v1alpha1.GroupVersion.String(),
					"kind":       "SecurityProfile",
					"name":       "owner",
					"uid":        "uid",
					"controller": true,
				},
			},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestTheScaleProfileHasSevenObjects(t *testing.T) {
	if got := len(baseline.Render(sevenObjects("scale"), "ns")); got != 1+7 {
		t.Errorf("got %d objects beside the Namespace", got-1)
	}
}

func size(t *testing.T, o any) int {
	t.Helper()
	data, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	return len(data)
}
