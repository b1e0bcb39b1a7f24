package boundedcache

import "testing"

func TestBytesRead(t *testing.T) {
	signalled := func(r *BytesRead) bool {
		select {
		case <-r.Many():
			return true
		default:
			return false
		}
	}
	r := newBytesRead()
	for _, step := range []struct {
		sentence  string
		bytes     int
		signalled bool
	}{
		{"a few bytes are not signalled", 1 << 20, false},
		{"a few that add up to many are", manyBytes - 1<<20, true},
		{"then the count begins again", manyBytes - 1, false},
		{"ten times as many are signalled once", 10 * manyBytes, true},
		{"and not again", 0, false},
	} {
		if r.add(step.bytes); signalled(r) != step.signalled {
			t.Errorf("%s: %v", step.sentence, !step.signalled)
		}
	}
	r.add(manyBytes)
	r.add(manyBytes) // Nobody reads the signal meanwhile.
	if !signalled(r) || signalled(r) {
		t.Error("what is signalled while nobody reads is signalled once")
	}
}
