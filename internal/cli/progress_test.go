package cli

import (
	"strings"
	"testing"
	"time"
)

func TestProgress(t *testing.T) {
	for sentence, tt := range map[string]struct {
		terminal bool
		want     string
	}{
		"on a terminal it is said, and taken away": {true, "\r\x1b[Kjudged 1 of 2 documents\r\x1b[K"},
		"elsewhere nothing is said":                {false, ""},
	} {
		t.Run(sentence, func(t *testing.T) {
			var said strings.Builder
			ticks, asked := make(chan time.Time), make(chan time.Duration, 4)
			w := &World{
				Err: &said, Terminal: func(any) bool { return tt.terminal },
				After: func(d time.Duration) <-chan time.Time {
					asked <- d
					return ticks
				},
			}
			p := w.begin(2)
			p.judged()
			if tt.terminal {
				if first := <-asked; first != 2*time.Second {
					t.Errorf("it begins after %s", first)
				}
				ticks <- time.Time{}
				<-asked
			}
			p.end()
			if said.String() != tt.want {
				t.Errorf("want %q, got %q", tt.want, said.String())
			}
		})
	}
}
