package counting

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestPatience(t *testing.T) {
	waiting, other := Progress{Quota: "bulwark-small"}, Progress{Quota: "bulwark-other"}
	never, written := waiting, waiting
	never.Never, written.Written = true, true
	type times = []time.Duration
	const second, longest = time.Second, longestPatience
	noon := time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC)
	for sentence, tt := range map[string]struct {
		of     Progress
		after  time.Duration
		others times // when another quota was counted
		want   time.Duration
	}{
		"one that is seen for the first time": {of: waiting, want: patience},
		"one that was written just now": {
			of: written, after: time.Hour, want: patience,
		},
		"one that has waited a second": {
			of: waiting, after: second, want: patience - second,
		},
		"one that has waited long, and nothing is counted": {of: waiting, after: patience},
		"one that has waited long, while others are counted": {
			of: waiting, after: 8 * second, others: times{7 * second}, want: 8 * second,
		},
		"one that has waited long, and others were counted before": {
			of: waiting, after: 8 * second, others: times{5 * second},
		},
		"one that has waited almost the longest": {
			of: waiting, after: longest - second, others: times{longest - 2*second}, want: second,
		},
		"one that has waited the longest": {
			of: waiting, after: longest, others: times{longest - second},
		},
		"one that will never be counted is not waited for that long": {
			of: never, after: 8 * second, others: times{7 * second},
		},
		"the clock was set back": {
			of: waiting, after: -time.Hour, want: patience,
		},
		"the clock was set back, and others were counted later": {
			of: waiting, after: patience, others: times{time.Hour},
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			w := NewPatience()
			first := tt.of
			first.Written = false
			w.Observe("shop", []Progress{first}, noon)
			for _, at := range tt.others {
				w.Observe("till", []Progress{other}, noon.Add(at))
				w.Observe("till", []Progress{{Quota: other.Quota, Complete: true}}, noon.Add(at))
			}
			now := noon.Add(tt.after)
			w.Observe("shop", []Progress{tt.of}, now)
			if got := w.Left("shop", tt.of, now); got != tt.want {
				t.Errorf("want %s, got %s", tt.want, got)
			}
		})
	}
}

func TestPatienceForgetsANamespace(t *testing.T) {
	noon := time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC)
	w := NewPatience()
	for _, namespace := range []string{"shop", "till"} {
		w.Observe(namespace, []Progress{{Quota: "bulwark-small", Written: true}}, noon)
	}
	w.Forget("shop")
	if diff := cmp.Diff(map[string]map[string]time.Time{"till": {"bulwark-small": noon}}, w.since); diff != "" {
		t.Errorf("quotas that are remembered not to be counted (-want +got):\n%s", diff)
	}
}
