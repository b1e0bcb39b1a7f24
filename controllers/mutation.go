package controllers

import (
	"maps"
	"reflect"
	"strings"
	"sync"
	"time"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/drift"
	"github.com/bulwark-dev/bulwark/internal/printable"
)

// mutations remembers what the API server's admission has made of Bulwark's own writes. To write the same again would give the same
// again, so that each further try waits twice as long as the last. It is kept in memory: a restart tries once more.
type mutations struct {
	Contest

	mu sync.Mutex
	of map[mutated]mutation
}

// mutated is an object that admission changes.
type mutated struct {
	namespace string
	object    v1alpha1.ObjectReference
}

// mutation is how it then differs.
type mutation struct {
	fields []drift.Field
	tries  int
	last   time.Time
}

func newMutations(c Contest) *mutations {
	return &mutations{Contest: c, of: map[mutated]mutation{}}
}

// note remembers the answer to one more try, and returns how long the next one waits.
func (m *mutations) note(key mutated, fields []drift.Field, now time.Time) time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	tries := m.of[key].tries + 1
	m.of[key] = mutation{fields: fields, tries: tries, last: now}
	return m.delay(tries)
}

// wait is how long the next try waits, if the object differs as admission left it; false if it does not.
func (m *mutations) wait(key mutated, fields []drift.Field, now time.Time) (time.Duration, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	known, there := m.of[key]
	if !there || !reflect.DeepEqual(known.fields, fields) {
		return 0, false
	}
	if known.last.After(now) { // The clock has been set back.
		return 0, true
	}
	return max(0, known.last.Add(m.delay(known.tries)).Sub(now)), true
}

func (m *mutations) delay(tries int) time.Duration {
	delay := m.MinDelay
	for range tries - 1 {
		if delay *= 2; delay >= m.MaxDelay {
			break
		}
	}
	return min(delay, m.MaxDelay)
}

// forget drops what is remembered of an object that admission leaves alone.
func (m *mutations) forget(key mutated) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.of, key)
}

// forgetNamespace drops what is remembered of a namespace that is gone.
func (m *mutations) forgetNamespace(namespace string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	maps.DeleteFunc(m.of, func(key mutated, _ mutation) bool { return key.namespace == namespace })
}

// isMutated reports whether a drift is what admission made of Bulwark's last write, and not somebody's doing. Then it does not belong in
// the history, and the next try may have to wait. After a restart the last report tells.
func (r *NamespaceReconciler) isMutated(p *pass, o *drift.Outcome) bool {
	wait, known := r.mutations.wait(mutated{p.namespace.Name, o.Object}, o.Fields, r.Clock.Now())
	if !known && (o.By.Manager != "" || o.Change != v1alpha1.Modified || !strings.HasPrefix(p.message(o.Object), changedByAdmission)) {
		return false
	}
	o.Recorded, o.Wait = false, wait
	if wait > 0 {
		o.Mutated = o.Fields
	}
	return true
}

// changedByAdmission begins the message on an object that a mutating webhook or admission policy changes.
const changedByAdmission = "changed by admission: "

// mutationSentence says what a mutating webhook or admission policy made of a write.
func mutationSentence(fields []drift.Field) string {
	return printable.Message(changedByAdmission + strings.Join(drift.FieldTexts(fields), "; ") +
		"; a mutating webhook or admission policy changes what Bulwark writes")
}

// message is what the last report says of an object.
func (p *pass) message(ref v1alpha1.ObjectReference) string {
	if p.previous == nil {
		return ""
	}
	for _, o := range p.previous.Objects {
		if o.ObjectReference == ref {
			return o.Message
		}
	}
	return ""
}
