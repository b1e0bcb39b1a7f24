package contention

import (
	"maps"
	"reflect"
	"sync"
	"time"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/drift"
)

// Retries remember corrections that were in vain: admission changed the object that was written, or
// refused the one that was to replace it. The same write would end the same way, so that each
// further try waits twice as long as the last. A restart forgets them, and tries once more.
//
//	the object              | differs as it did then | differs otherwise | lasts as corrected
//	------------------------|------------------------|-------------------|-------------------
//	is not remembered       | is corrected           | is corrected      |
//	was tried long ago      | is corrected           | is corrected      | is forgotten
//	was tried a moment ago  | waits                  | is corrected      | is forgotten
type Retries struct {
	settings Settings

	mu sync.Mutex
	of map[retried]retry
}

// retried is an object whose correction was in vain.
type retried struct {
	namespace string
	object    v1alpha1.ObjectReference
}

// retry is how it then differed.
type retry struct {
	fields []drift.Field
	tries  int
	last   time.Time
}

// NewRetries remembers none yet.
func NewRetries(s Settings) *Retries {
	return &Retries{settings: s, of: map[retried]retry{}}
}

// Note remembers that one more try was in vain, and returns how long the next one waits.
func (r *Retries) Note(
	namespace string, object v1alpha1.ObjectReference, fields []drift.Field, now time.Time,
) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	key := retried{namespace, object}
	tries := r.of[key].tries + 1
	r.of[key] = retry{fields: fields, tries: tries, last: now}
	return r.settings.delay(tries - 1)
}

// Wait is how long the next try waits, if the object differs as it did after the last one; false if
// it does not.
func (r *Retries) Wait(
	namespace string, object v1alpha1.ObjectReference, fields []drift.Field, now time.Time,
) (time.Duration, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	known, there := r.of[retried{namespace, object}]
	if !there || !reflect.DeepEqual(known.fields, fields) {
		return 0, false
	}
	if known.last.After(now) { // The clock has been set back.
		return 0, true
	}
	return max(0, known.last.Add(r.settings.delay(known.tries-1)).Sub(now)), true
}

// Forget drops what is remembered of an object whose correction lasts.
func (r *Retries) Forget(namespace string, object v1alpha1.ObjectReference) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.of, retried{namespace, object})
}

// ForgetNamespace drops what is remembered of a namespace that is gone.
func (r *Retries) ForgetNamespace(namespace string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	maps.DeleteFunc(r.of, func(key retried, _ retry) bool { return key.namespace == namespace })
}
