package posture

import "testing"

func TestARefusedReportIsToldOnce(t *testing.T) {
	r := NewRefusals()
	refuse := func(profile string, times int) (told int) {
		for range times {
			if r.Refused("shop", profile, "no room") {
				told++
			}
		}
		return told
	}
	for _, step := range []struct {
		what    string
		do      func() int
		told    int
		refused bool
	}{
		{"it is refused for the first few times", func() int { return refuse("strict", RefusalsToTell-1) }, 0, false},
		{"it is refused once more", func() int { return refuse("strict", 1) }, 1, true},
		{"it is refused again and again", func() int { return refuse("strict", 3*RefusalsToTell) }, 0, true},
		{"another profile governs", func() int { return refuse("other", 1) }, 0, false},
		{"the first one governs again", func() int { return refuse("strict", RefusalsToTell) }, 1, true},
		{"it is written", func() int { r.Forget("shop"); return 0 }, 0, false},
		{"it is refused anew", func() int { return refuse("strict", RefusalsToTell-1) }, 0, false},
	} {
		if told := step.do(); told != step.told {
			t.Errorf("%s: told %d times", step.what, told)
		}
		words, refused := r.Why("strict", "shop")
		if refused != step.refused || refused && words != "no room" {
			t.Errorf("%s: refused %t: %s", step.what, refused, words)
		}
	}
	r.Forget("shop")
	if len(r.of) > 0 {
		t.Errorf("it is remembered: %v", r.of)
	}
}
