package watch

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestWhatMayBeBoundIsAskedOnceInAWhile(t *testing.T) {
	var asked []string
	allowed := true
	g := newBindAnswers(func(_ context.Context, namespace, role string) (bool, error) {
		asked = append(asked, namespace+"/"+role)
		return allowed, nil
	})
	now := noon
	for _, step := range []struct {
		after   time.Duration
		allowed bool
		want    []string
	}{
		{0, true, []string{"/edit"}},
		{answerHolds - 1, true, nil},
		{1, false, []string{"/edit", "shop/edit"}},
		{time.Second, false, []string{"shop/edit"}},
		{-time.Hour, true, []string{"/edit"}}, // The clock was set back.
	} {
		now, allowed, asked = now.Add(step.after), step.allowed, nil
		if got, err := g.allows(t.Context(), "shop", "edit", now); err != nil || got != step.allowed {
			t.Errorf("after %s: %v, %v", step.after, got, err)
		}
		if diff := cmp.Diff(step.want, asked); diff != "" {
			t.Errorf("after %s asked (-want +got):\n%s", step.after, diff)
		}
	}
	if _, err := g.allows(t.Context(), "shop", "other", now.Add(time.Hour)); err != nil || len(g.answered) != 1 {
		t.Errorf("old answers are remembered: %v (%v)", g.answered, err)
	}
}
