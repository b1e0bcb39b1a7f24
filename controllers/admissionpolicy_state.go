package controllers

import (
	"context"
	"crypto/sha256"
	"slices"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/admission"
	"github.com/bulwark-dev/bulwark/internal/drift"
)

// profileStates remember what the passes over the admission policies of each profile found. They
// are kept in memory: after a restart the first pass over a profile finds it out anew.
//
// The reconciler of profiles writes the status, so it reads here what the status is to say. A
// result is current if it is of the profile's UID and generation:
//
//	result     event                                      becomes
//	none, old  the profile's status is to be written      unchanged; the status is left as it is
//	none, old  a pass fails, or waits for the profile     unchanged; the pass is tried again
//	any        a pass ends with a new result, or with     current; the profile is requeued
//	           corrections that no status holds
//	current    a pass ends with the same result           unchanged; nobody is told
//	current    a pass is deferred: it awaits the release  unchanged
//	           of another profile
//	current    the profile's spec changes                 old
//	current    the reports are complete for which the     unchanged; the status is left as it is
//	           rules for pods waited                      until the next pass
//	current    a status was written that says it          current; corrections are dropped that
//	                                                      the status holds, and no later ones
//	any        the policies of the deleted profile are    none
//	           gone, or itself is
//
// While a profile is worked on, its key is locked: by a pass, or by the removal of its policies. So
// no pass makes a policy that was removed just before, and each pass reads the profile after the
// removal has begun. No profile waits for the pass over another one: all statuses are one worker's.
type profileStates struct {
	mu      sync.Mutex
	working map[string]*profileWork // by profile, of those that somebody works on or wants to
	of      map[string]*profileState
	requeue func(profile string) // nil until the reconciler of profiles has started
}

// profileWork is what a profile is worked on under. Its count is guarded by profileStates.mu.
type profileWork struct {
	sync.Mutex
	wanted int // by how many, with the one that has it
}

// profileState is what is remembered of one profile. Passes alone use the first group of fields,
// while they hold the profile's key. The second group is guarded by profileStates.mu.
type profileState struct {
	inPlace   digest                     // of what was last put in place
	unmanaged []v1alpha1.ObjectReference // policies that bore the names of the profile's then
	refused   *refusedPass               // the last pass, if the API server refused something in it
	patience  *patience                  // for how many namespaces the rules for pods wait
	cost      knownCost
	ended     time.Time // when the last pass ended

	current   bool // whether there is a result at all
	uid       types.UID
	revision  int64 // the generation of the profile that the result is of
	result    admission.Result
	corrected []drift.Outcome // that no status holds yet
	changed   time.Time       // when the policies last changed; zero for never
}

// digest tells one rendering from another. The zero digest is of none.
type digest [sha256.Size]byte

// refusedPass is a pass in which the API server refused something. Its result stands until it is
// time to try again.
type refusedPass struct {
	digest digest
	result admission.Result
	tried  time.Time
	wait   time.Duration
}

// knownCost is what a rendering costs: to find out takes as long as compiling it.
type knownCost struct {
	digest digest
	cost   admission.Cost
}

func newProfileStates() *profileStates {
	return &profileStates{working: map[string]*profileWork{}, of: map[string]*profileState{}}
}

// lock keeps everybody else from working on a profile until the returned function is called.
func (s *profileStates) lock(profile string) (unlock func()) {
	s.mu.Lock()
	work := s.working[profile]
	if work == nil {
		work = &profileWork{}
		s.working[profile] = work
	}
	work.wanted++
	s.mu.Unlock()
	work.Lock()
	return func() {
		work.Unlock()
		s.mu.Lock()
		defer s.mu.Unlock()
		if work.wanted--; work.wanted == 0 {
			delete(s.working, profile)
		}
	}
}

// state is what is remembered of a profile. Whoever asks holds the profile's key.
func (s *profileStates) state(profile string) *profileState {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.of[profile] == nil {
		s.of[profile] = &profileState{}
	}
	return s.of[profile]
}

// forget drops what is remembered of a profile that is gone.
func (s *profileStates) forget(profile string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.of, profile)
}

// keep remembers corrections until a status holds them. Nobody is told before the pass has ended.
func (s *profileStates) keep(profile string, corrected []drift.Outcome) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.of[profile].corrected = append(s.of[profile].corrected, corrected...)
}

// publish makes a result the current one, and requeues the profile if its status has something to
// say.
func (s *profileStates) publish(profile *v1alpha1.SecurityProfile, result admission.Result) {
	s.mu.Lock()
	known := s.of[profile.Name]
	same := known.isOf(profile) && known.result == result && len(known.corrected) == 0
	known.current, known.uid, known.revision, known.result = true, profile.UID, profile.Generation, result
	s.mu.Unlock()
	if !same {
		s.tell(profile.Name)
	}
}

func (s *profileState) isOf(profile *v1alpha1.SecurityProfile) bool {
	return s != nil && s.current && s.uid == profile.UID && s.revision == profile.Generation
}

// report is what the status of a profile is to say, and the function that is called once a status
// says it. The report is nil if there is no current result.
func (s *profileStates) report(profile *v1alpha1.SecurityProfile) (report *admission.Report, written func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	known := s.of[profile.Name]
	if !known.isOf(profile) {
		return nil, nil
	}
	report = &admission.Report{Result: known.result, Corrected: slices.Clone(known.corrected)}
	return report, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		known.corrected = known.corrected[len(report.Corrected):]
	}
}

// said is the condition AdmissionReady that was last published of this generation of a profile, or
// that its status holds.
func (s *profileStates) said(profile *v1alpha1.SecurityProfile) metav1.Condition {
	s.mu.Lock()
	defer s.mu.Unlock()
	if known := s.of[profile.Name]; known.isOf(profile) {
		return known.result.Condition
	}
	return admission.Said(profile)
}

// noteChange remembers that the policies of a profile have changed: until every API server has
// heard of it, they may not hold.
func (s *profileStates) noteChange(profile string, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.of[profile].changed = now
}

// changedAt is when the policies of a profile last changed; false if that is not known.
func (s *profileStates) changedAt(profile string) (time.Time, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	known := s.of[profile]
	if known == nil || known.changed.IsZero() {
		return time.Time{}, false
	}
	return known.changed, true
}

// tell requeues a profile. Before its reconciler has started there is no need to: that reads what
// is remembered.
func (s *profileStates) tell(profile string) {
	s.mu.Lock()
	requeue := s.requeue
	s.mu.Unlock()
	if requeue != nil {
		requeue(profile)
	}
}

// source lets the reconciler of profiles hear of results.
func (s *profileStates) source() source.Source {
	return source.Func(func(_ context.Context, q queue) error {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.requeue = func(profile string) { q.Add(requestFor(profile)) }
		return nil
	})
}
