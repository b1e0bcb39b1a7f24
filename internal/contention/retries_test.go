package contention

import (
	"testing"
	"time"

	"github.com/bulwark-dev/bulwark/internal/drift"
)

func TestCorrectionsThatAreInVainAreTriedEverMoreSeldom(t *testing.T) {
	role := reference("Role", "bulwark-dev")
	r := NewRetries(DefaultSettings())
	fields := []drift.Field{{Path: []string{"rules"}, Want: "a", Got: "b"}}
	other := []drift.Field{{Path: []string{"rules"}, Want: "a", Got: "c"}}
	if _, known := r.Wait("shop", role, fields, noon); known {
		t.Error("nothing was written yet")
	}
	now := noon
	for _, want := range []time.Duration{2, 4, 8, 16, 32, 64, 128, 256, 300, 300} {
		if got := r.Note("shop", role, fields, now); got != want*time.Second {
			t.Errorf("after one more try: want %s, got %s", want*time.Second, got)
		}
		if got, known := r.Wait("shop", role, fields, now.Add(time.Second)); !known || got != (want-1)*time.Second {
			t.Errorf("a second later: want %s, got %s, %t", (want-1)*time.Second, got, known)
		}
		now = now.Add(want * time.Second)
	}
	for sentence, tc := range map[string]struct {
		fields []drift.Field
		at     time.Time
		known  bool
	}{
		"what differs otherwise is somebody's doing":   {fields: other, at: noon},
		"a clock that is set back makes it tried once": {fields: fields, at: noon.Add(-time.Hour), known: true},
	} {
		if got, known := r.Wait("shop", role, tc.fields, tc.at); got != 0 || known != tc.known {
			t.Errorf("%s: got %s, %t", sentence, got, known)
		}
	}
	r.Forget("shop", role)
	if _, known := r.Wait("shop", role, fields, now); known || len(r.of) > 0 {
		t.Error("it is forgotten")
	}
}

func TestRetriesOfANamespaceThatIsGoneAreForgotten(t *testing.T) {
	role := reference("Role", "bulwark-dev")
	r := NewRetries(DefaultSettings())
	r.Note("shop", role, nil, noon)
	r.Note("till", role, nil, noon)
	r.ForgetNamespace("shop")
	if _, remembered := r.of[retried{"till", role}]; !remembered || len(r.of) != 1 {
		t.Errorf("remembered are %v", r.of)
	}
}
