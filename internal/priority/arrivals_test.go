package priority

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var noon = time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC)

func TestArrivals(t *testing.T) {
	a := NewArrivals(nil)
	a.Note("shop", noon)
	a.Note("shop", noon.Add(time.Second))
	a.Note("till", noon.Add(2*time.Second))
	now := noon.Add(time.Minute)
	for _, step := range []struct {
		what, namespace string
		want            time.Time
	}{
		{"the first of several changes counts", "shop", noon},
		{"another namespace has its own", "till", noon.Add(2 * time.Second)},
		{"what was taken is gone", "shop", now},
		{"what was never noted is now", "other", now},
	} {
		if got := a.Take(step.namespace, now); !got.Equal(step.want) {
			t.Errorf("%s: want %s, got %s", step.what, step.want, got)
		}
	}
	a.Note("shop", now)
	if got := a.Take("shop", now.Add(time.Hour)); !got.Equal(now) {
		t.Errorf("noted again after it was taken: want %s, got %s", now, got)
	}
}

func TestArrivalsAreThoseOfALeader(t *testing.T) {
	elected := make(chan struct{})
	a := NewArrivals(elected)
	a.Note("shop", noon)
	close(elected)
	if got := a.Take("shop", noon.Add(time.Hour)); !got.Equal(noon.Add(time.Hour)) {
		t.Errorf("heard of before it led: want now, got %s", got)
	}
	a.Note("shop", noon)
	if got := a.Take("shop", noon.Add(time.Hour)); !got.Equal(noon) {
		t.Errorf("heard of since: want %s, got %s", noon, got)
	}
}

func TestArrivalsOfANamespaceThatIsGoneAreForgotten(t *testing.T) {
	a := NewArrivals(nil)
	a.Note("shop", noon)
	a.Note("till", noon)
	a.Forget("shop")
	if diff := cmp.Diff(map[string]time.Time{"till": noon}, a.at); diff != "" {
		t.Errorf("arrivals that are remembered (-want +got):\n%s", diff)
	}
}
