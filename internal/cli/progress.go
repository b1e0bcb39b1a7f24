package cli

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// progressAfter is how long a check may take before it says how far it is.
const progressAfter = 2 * time.Second

// progress says on a terminal how many of the documents are judged, once that takes long.
type progress struct {
	world *World
	total int
	done  atomic.Int64
	ended chan struct{}
	wait  sync.WaitGroup
}

// begin begins to say so. Nothing is said if the standard error is no terminal.
func (w *World) begin(total int) *progress {
	p := &progress{world: w, total: total, ended: make(chan struct{})}
	if w.Terminal(w.Err) {
		p.wait.Go(p.tell)
	}
	return p
}

// judged counts a document.
func (p *progress) judged() { p.done.Add(1) }

// end takes the line away.
func (p *progress) end() {
	close(p.ended)
	p.wait.Wait()
}

func (p *progress) tell() {
	timer := p.world.After(progressAfter)
	said := false
	for {
		select {
		case <-p.ended:
			if said {
				fmt.Fprintf(p.world.Err, "\r\x1b[K")
			}
			return
		case <-timer:
			fmt.Fprintf(p.world.Err, "\r\x1b[Kjudged %d of %d documents", p.done.Load(), p.total)
			said, timer = true, p.world.After(progressAfter/10)
		}
	}
}
