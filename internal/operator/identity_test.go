package operator

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-logr/logr"

	"github.com/bulwark-dev/bulwark/internal/admission"
)

// TestTheOperatorEndsWhenItIsSomebodyElse lets the API server answer in turn, and looks at when the
// watch ends.
func TestTheOperatorEndsWhenItIsSomebodyElse(t *testing.T) {
	was := identity{name: "bulwark", proof: admission.Proof{UID: "1", Credential: true}}
	anew := identity{name: "bulwark", proof: admission.Proof{UID: "2", Credential: true}}
	unnamed := identity{name: "bulwark", proof: admission.Proof{UID: "1"}}
	byName := identity{name: "bulwark"}
	down := errors.New("connection refused")
	for name, tt := range map[string]struct {
		answers []any // an identity or an error; the last one stands
		ends    time.Duration
	}{
		"it goes on as who it was":                             {answers: []any{was}},
		"it goes on while the API server does not answer":      {answers: []any{down, down, was}},
		"it goes on while the API server does not know it":     {answers: []any{errors.New("Unauthorized")}},
		"it ends when its service account was made anew":       {answers: []any{was, anew}, ends: 2 * identityInterval},
		"it ends when it has another name":                     {answers: []any{identity{name: "other", proof: was.proof}}, ends: identityInterval},
		"it ends when its credential is not named any more":    {answers: []any{down, unnamed}, ends: 2 * identityInterval},
		"it ends when it is known by its name alone from then": {answers: []any{byName}, ends: identityInterval},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), 10*identityInterval)
				defer cancel()
				asked := 0
				w := identityWatch{was: was, log: logr.Discard(), ask: func(context.Context) (identity, error) {
					answer := tt.answers[min(asked, len(tt.answers)-1)]
					asked++
					if err, failed := answer.(error); failed {
						return identity{}, err
					}
					return answer.(identity), nil
				}}
				began := time.Now()
				err := w.Start(ctx)
				switch took := time.Since(began); {
				case tt.ends == 0 && err != nil:
					t.Errorf("it ended after %s: %v", took, err)
				case tt.ends > 0 && (err == nil || took != tt.ends || !strings.Contains(err.Error(), "started anew")):
					t.Errorf("want an end after %s, got %v after %s", tt.ends, err, took)
				}
			})
		})
	}
}
