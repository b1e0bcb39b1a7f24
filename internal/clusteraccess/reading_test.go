package clusteraccess

import "testing"

func TestReading(t *testing.T) {
	told := func(r *Reading) bool {
		select {
		case <-r.Much():
			return true
		default:
			return false
		}
	}
	r := newReading()
	for _, step := range []struct {
		sentence string
		bytes    int
		told     bool
	}{
		{"a little is not told", 1 << 20, false},
		{"what adds up to much is", muchBytes - 1<<20, true},
		{"and then it begins anew", muchBytes - 1, false},
		{"of much more than that it is told once", 10 * muchBytes, true},
		{"and no more", 0, false},
	} {
		if r.add(step.bytes); told(r) != step.told {
			t.Errorf("%s: %v", step.sentence, !step.told)
		}
	}
	r.add(muchBytes)
	r.add(muchBytes) // Nobody listens meanwhile.
	if !told(r) || told(r) {
		t.Error("what is told while nobody listens is told once")
	}
}
