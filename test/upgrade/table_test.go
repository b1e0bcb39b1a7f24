package upgrade

import (
	"fmt"
	"time"
)

// print writes the tables of what was seen, and fails what must not have been.
func (s *story) print() {
	fmt.Printf("\n| step | took |\n| --- | --- |\n")
	for _, step := range s.steps {
		fmt.Printf("| %s | %s |\n", step, s.took[step].Round(10*time.Millisecond))
	}
	s.printGuards()
	s.printProbes()
}

func (s *story) printGuards() {
	fmt.Printf("\n| what protects | subjects | deletions | times without | longest |\n| --- | --- | --- | --- | --- |\n")
	for _, g := range s.guards {
		subjects, deletes, gaps, err := g.outcome()
		longest := "none"
		if len(gaps) > 0 {
			longest = fmt.Sprintf("%s (%s, %s)", gaps[0].lasted.Round(time.Millisecond), gaps[0].subject, gaps[0].step)
			s.t.Errorf("%s: %d times without, the longest %s", g.name, len(gaps), longest)
		}
		if err != nil {
			s.t.Error(err)
		}
		fmt.Printf("| %s | %d | %d | %d | %s |\n", g.name, subjects, deletes, len(gaps), longest)
	}
}

func (s *story) printProbes() {
	fmt.Printf("\n| request | sent | answered wrongly | no answer | longest time of wrong answers |\n" +
		"| --- | --- | --- | --- | --- |\n")
	var notes []string
	for _, p := range s.probes {
		p.mu.Lock()
		var sum result
		for _, step := range s.steps {
			r := p.results[step]
			if r == nil {
				continue
			}
			sum.sent, sum.wrong, sum.failed = sum.sent+r.sent, sum.wrong+r.wrong, sum.failed+r.failed
			if r.wrong > 0 {
				notes = append(notes, fmt.Sprintf("%s: %d of %d while %s: %.300s", p, r.wrong, r.sent, step, r.words))
			}
		}
		fmt.Printf("| %s | %d | %d | %d | %s |\n",
			p, sum.sent, sum.wrong, sum.failed, p.longest().Round(time.Millisecond))
		if sum.sent == 0 || p.refused && sum.wrong > 0 {
			s.t.Errorf("%s: %d of %d were answered wrongly", p, sum.wrong, sum.sent)
		}
		p.mu.Unlock()
	}
	for _, note := range notes {
		fmt.Println(note)
	}
}

// compare says what became of the objects of the baselines.
func (s *story) compare(way string, before, after map[string]managed) {
	gone, anew, changed := difference(before, after)
	fmt.Printf("\n%s: of %d objects of baselines %d are gone, %d were made anew, %d are of other content\n",
		way, len(before), len(gone), len(anew), len(changed))
	for _, keys := range [][]string{gone, anew} {
		for _, key := range keys[:min(len(keys), 10)] {
			fmt.Println("  ", key)
		}
	}
	for _, key := range changed[:min(len(changed), 10)] {
		fmt.Printf(
			"   %s\n     before %.400s\n     after  %.400s\n",
			key,
			asJSON(before[key].content),
			asJSON(after[key].content),
		)
	}
	if len(gone)+len(anew) > 0 {
		s.t.Errorf("%s: %d objects are gone and %d were made anew", way, len(gone), len(anew))
	}
}
