package posture

import "sync"

// RefusalsToTell is how many times in a row the API server refuses a report before that is told:
// some three seconds.
const RefusalsToTell = 5

// Refusals remembers the namespaces whose report the API server refuses, since a quota of a tenant
// has no room for it, or a policy or webhook denies it. The status of the profile then says so, as
// the report cannot. A replica that begins to lead remembers nothing:
//
//	refusals in a row, for one profile | the next one is told | Why
//	fewer than RefusalsToTell - 1      | no                   | is empty
//	RefusalsToTell - 1                 | yes                  | is empty
//	RefusalsToTell or more             | no                   | is the last refusal
//
// A report that is written ends the row, and so does another profile.
type Refusals struct {
	mu sync.Mutex
	of map[string]refusal // by namespace
}

// refusal is a report that is refused.
type refusal struct {
	profile string
	times   int
	why     string
}

// NewRefusals remembers nothing yet.
func NewRefusals() *Refusals { return &Refusals{of: map[string]refusal{}} }

// Refused notes a refusal in the API server's words, and reports whether it is time to tell it.
func (r *Refusals) Refused(namespace, profile, why string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	known := r.of[namespace]
	if known.profile != profile {
		known = refusal{profile: profile}
	}
	known.times, known.why = known.times+1, why
	r.of[namespace] = known
	return known.times == RefusalsToTell
}

// Forget drops what is remembered of a namespace: its report has been written, or it is gone. It
// reports whether that had been told.
func (r *Refusals) Forget(namespace string) (told bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	told = r.of[namespace].times >= RefusalsToTell
	delete(r.of, namespace)
	return told
}

// Why is why a namespace has no report of a profile, or an old one, if that has been told.
func (r *Refusals) Why(profile, namespace string) (string, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	known := r.of[namespace]
	return known.why, known.profile == profile && known.times >= RefusalsToTell
}
