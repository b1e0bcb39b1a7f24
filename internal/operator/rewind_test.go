package operator

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
)

// TestTheOperatorEndsWhenHistoryGoesBack lets the API server answer in turn, and looks at when the
// watch ends.
func TestTheOperatorEndsWhenHistoryGoesBack(t *testing.T) {
	down := errors.New("connection refused")
	for name, tt := range map[string]struct {
		answers []any // a resource version or an error; the last one stands
		heard   string
		ends    time.Duration
	}{
		"it goes on while nothing happens":                           {answers: []any{"7"}},
		"it goes on while history does":                              {answers: []any{"7", "7", "9", "100"}},
		"it goes on when the API server comes back":                  {answers: []any{"7", down, down, "7"}},
		"it goes on when history jumps ahead, as with a bump":        {answers: []any{"7", down, "1000000007"}},
		"it goes on where versions are no numbers":                   {answers: []any{"b", "a"}},
		"it ends when history went back":                             {answers: []any{"9", "8"}, ends: rewindInterval},
		"it ends at the first answer after an outage":                {answers: []any{"9", down, down, "3"}, ends: rewindInterval + 2*rewindRetry},
		"it ends when history is before what the cache has heard of": {heard: "12", answers: []any{down, "11"}, ends: rewindRetry},
		"it goes on with what the cache has heard of":                {heard: "12", answers: []any{"12", "13"}},
		"it ends by the latest version, not by the one before":       {answers: []any{"9", "x", "8"}, ends: 2 * rewindInterval},
		"it compares versions as numbers, not as text":               {answers: []any{"9", "10"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				asked := 0
				w := rewindWatch{latest: &atomic.Uint64{}, version: func(context.Context) (string, error) {
					answer := tt.answers[min(asked, len(tt.answers)-1)]
					asked++
					if err, failed := answer.(error); failed {
						return "", err
					}
					return answer.(string), nil
				}}
				report := &v1alpha1.NamespacePosture{}
				report.ResourceVersion = tt.heard
				w.hear(report)
				began := time.Now()
				err := w.Start(ctx)
				switch took := time.Since(began); {
				case tt.ends == 0 && err != nil:
					t.Errorf("it ended after %s: %v", took, err)
				case tt.ends > 0 && (err == nil || took != tt.ends || !strings.Contains(err.Error(), "etcd was restored")):
					t.Errorf("want an end after %s, got %v after %s", tt.ends, err, took)
				}
			})
		})
	}
}
