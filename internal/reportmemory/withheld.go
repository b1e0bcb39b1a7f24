package reportmemory

import (
	"sync"

	"k8s.io/apimachinery/pkg/types"

	"github.com/bulwark-dev/bulwark/internal/posture"
	"github.com/bulwark-dev/bulwark/internal/tightening"
)

// Withheld remembers the passes whose report was withheld, since it is better written a moment
// later, and what each learned that the pass that will report needs. It is kept in memory: a
// restart forgets it.
type Withheld struct {
	mu     sync.Mutex
	passes map[string]withheldPass // by namespace
}

// withheldPass is a pass whose report was withheld.
type withheldPass struct {
	profile    types.UID
	generation int64
	namespace  types.UID
	// level is the stricter Pod Security level that it put in place, if it did.
	level tightening.AppliedLevel
}

// isOf reports whether it was a pass over the same namespace for the same profile as it is now.
func (w *withheldPass) isOf(p *posture.Pass) bool {
	return w.profile == p.Profile.UID && w.generation == p.Profile.Generation && w.namespace == p.Namespace.UID
}

// NewWithheld returns a Withheld that remembers no pass.
func NewWithheld() *Withheld { return &Withheld{passes: map[string]withheldPass{}} }

// Has reports whether the report of an earlier pass has been withheld since the last one was
// written.
func (w *Withheld) Has(p *posture.Pass) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	kept, ok := w.passes[p.Namespace.Name]
	return ok && kept.isOf(p)
}

// Add remembers a pass, and the stricter Pod Security level that it or one before put in place.
func (w *Withheld) Add(p *posture.Pass, level tightening.AppliedLevel) {
	w.mu.Lock()
	defer w.mu.Unlock()
	kept, ok := w.passes[p.Namespace.Name]
	if ok && kept.isOf(p) && !level.Tightened {
		return
	}
	w.passes[p.Namespace.Name] = withheldPass{
		profile: p.Profile.UID, generation: p.Profile.Generation, namespace: p.Namespace.UID,
		level: level,
	}
}

// End ends the withholding, and returns the stricter Pod Security level that the pass which reports
// put in place, or that of the one before of which the report was withheld.
func (w *Withheld) End(p *posture.Pass, level tightening.AppliedLevel) tightening.AppliedLevel {
	w.mu.Lock()
	defer w.mu.Unlock()
	kept, ok := w.passes[p.Namespace.Name]
	delete(w.passes, p.Namespace.Name)
	if ok && kept.isOf(p) && kept.level.Tightened && !level.Tightened {
		return kept.level
	}
	return level
}

// Forget drops what is remembered of a namespace that is gone, or that no profile governs.
func (w *Withheld) Forget(namespace string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.passes, namespace)
}
