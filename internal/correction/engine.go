package correction

import (
	"context"
	"errors"
	"fmt"
	"slices"

	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/utils/clock"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/internal/clusteraccess"
	"github.com/bulwark-dev/bulwark/internal/contention"
	"github.com/bulwark-dev/bulwark/internal/correction/quotaroom"
	"github.com/bulwark-dev/bulwark/internal/drift"
	"github.com/bulwark-dev/bulwark/internal/events"
	"github.com/bulwark-dev/bulwark/internal/priority"
	"github.com/bulwark-dev/bulwark/internal/tightening"
)

// Engine ends drift. Differences from kind to kind stand in the kinds' rows, and differences from
// pass to pass in the pass's scope.
type Engine struct {
	// Writer makes the writes.
	Writer Writer
	// Room makes room for them in the baseline's own quotas.
	Room quotaroom.Maker
	// Clock is the time.
	Clock clock.PassiveClock
	// Contests remember who keeps changing what back.
	Contests *contention.Contests
	// Mutations are of objects that admission changes.
	Mutations *contention.Retries
	// PutBack are of objects that were put back, since those in their place were refused.
	PutBack *contention.Retries
	// Writes limits the writes of roll-outs; nil if nothing here is part of one.
	Writes *priority.WriteLimiter
	// Read returns what there is of an object's kind and name, also if the cache does not hold it;
	// nil if there is nothing.
	Read func(ctx context.Context, want baseline.Object) (baseline.Object, error)
	// CheckBinding says why a RoleBinding must not be made; nil if it may. The engine asks for
	// RoleBindings only.
	CheckBinding func(ctx context.Context, binding *rbacv1.RoleBinding) error
	// Hint explains a refusal where the API server's words do not. It may be nil.
	Hint func(ctx context.Context, want baseline.Object, refusal error) string
}

// Result is what became of the drifts of a pass.
type Result struct {
	Outcomes []drift.Outcome
	// Notices are what is to be told of the writes, beside the outcomes.
	Notices []events.Notice
	// Level is the stricter Pod Security level that was put in place, if one was.
	Level tightening.AppliedLevel
}

// Refused joins what the API server refused, for the log.
func (r *Result) Refused() error {
	var refusals []error
	for i := range r.Outcomes {
		if o := &r.Outcomes[i]; o.Err != nil {
			refusals = append(refusals, fmt.Errorf("correcting %s %s: %w", o.Object.Kind, o.Object.Name, o.Err))
		}
	}
	return errors.Join(refusals...)
}

// ErrTerminating ends a pass over a namespace that turned out to be terminating.
var ErrTerminating = errors.New("the namespace is terminating")

// CorrectAll decides on each drift, and corrects those that are to be corrected. Each is tried,
// whatever becomes of the others, unless the namespace is terminating.
//
// The error says what was cut short and says nothing of the objects, so that another pass is to try
// it again. The API server's refusals stand in the outcomes.
func (e *Engine) CorrectAll(ctx context.Context, s *Scope, drifts []drift.Drift) (Result, error) {
	var done Result
	var interruptions []error
	e = e.bindingManagedRoles(&done)
	for _, d := range inOrder(drifts) {
		if isKeptOut(&d, done.Outcomes) {
			continue
		}
		o, made, err := e.resolve(ctx, s, d)
		if o != nil {
			done.Outcomes = append(done.Outcomes, *o)
		}
		done.Notices = append(done.Notices, made.notices...)
		if made.level.Tightened {
			done.Level = made.level
		}
		if clusteraccess.IsTerminating(err) || o != nil && clusteraccess.IsTerminating(o.Err) {
			return done, ErrTerminating
		}
		interruptions = append(interruptions, err)
	}
	return done, errors.Join(interruptions...)
}

// isKeptOut reports whether an object would put another one in force that is unmanaged.
func isKeptOut(d *drift.Drift, outcomes []drift.Outcome) bool {
	if d.Want == nil || baseline.KindOf(d.Want).PutsInForce == nil {
		return false
	}
	ref := baseline.Reference(baseline.KindOf(d.Want).PutsInForce(d.Want))
	return slices.ContainsFunc(outcomes, func(o drift.Outcome) bool {
		return o.State == v1alpha1.DriftStateConflict && o.Object == ref
	})
}

// resolve decides on one drift and carries that out:
//
//	the API server                              the outcome
//	(it is not to be corrected)                 as decided
//	takes the correction                        see conclude
//	holds the object that is to be made         that of the object as it is
//	does not hold the object that is to go      none, or as corrected if the kind judges requests
//	says nothing of the object                  Present, and an error: another pass tries again
//	refuses the correction                      Present, with the refusal
func (e *Engine) resolve(ctx context.Context, s *Scope, d drift.Drift) (*drift.Outcome, answer, error) {
	o := &drift.Outcome{Drift: d, Recorded: s.Records(&d)}
	o.By = e.attribute(ctx, o)
	if o.State = e.decide(s, o); o.State != v1alpha1.DriftStateCorrected {
		return o, answer{}, nil
	}
	made, err := e.put(ctx, s, o)
	if apierrors.IsAlreadyExists(err) && (d.Change == v1alpha1.DriftChangeMissing || kindOf(&d).JudgesRequests) {
		existing, again, err := e.resolveExisting(ctx, s, d.Want)
		again.notices = append(made.notices, again.notices...)
		return existing, again, err
	}
	o, err = e.settle(ctx, s, o, made.object, err)
	return o, made, err
}

// settle says what has become of a drift by the API server's answer to its correction.
func (e *Engine) settle(
	ctx context.Context, s *Scope, o *drift.Outcome, object baseline.Object, err error,
) (*drift.Outcome, error) {
	gone := apierrors.IsNotFound(err) && o.Change == v1alpha1.DriftChangeUnexpected
	switch {
	case gone && !kindOf(&o.Drift).JudgesRequests:
		return nil, nil // Only the cache had not heard of that.
	case err == nil, gone:
		e.conclude(s, o, object)
		return o, nil
	case s.Transient(err):
		o.State = v1alpha1.DriftStatePresent
		return o, fmt.Errorf("correcting %s %s: %w", o.Object.Kind, o.Object.Name, err)
	}
	o.State, o.Err = v1alpha1.DriftStatePresent, err
	if e.Hint != nil {
		o.Hint = e.Hint(ctx, o.Want, err)
	}
	return o, nil
}

// resolveExisting is for the object that was thought to be missing and is there, though the cache
// does not hold it: it is compared and resolved as it is.
func (e *Engine) resolveExisting(ctx context.Context, s *Scope, want baseline.Object) (*drift.Outcome, answer, error) {
	got, err := e.Read(ctx, want)
	if err != nil {
		return nil, answer{}, err
	}
	if got == nil {
		return nil, answer{}, fmt.Errorf("%s appeared and vanished", baseline.Describe(want))
	}
	for _, found := range drift.Compare([]baseline.Object{want}, []baseline.Object{got}, s.Ours) {
		return e.resolve(ctx, s, found)
	}
	return nil, answer{}, nil
}

// attribute is who brought about a recorded drift, as far as can be known: of an object that was
// deleted, nothing. It costs a read of the object's metadata only where the cache does not hold who
// manages it.
func (e *Engine) attribute(ctx context.Context, o *drift.Outcome) drift.Attribution {
	if !o.Recorded || o.Got == nil {
		return drift.Attribution{}
	}
	managedFields := o.Got.GetManagedFields()
	if managedFields == nil {
		var err error
		if managedFields, err = e.Writer.ManagedFields(ctx, o.Got); err != nil {
			return drift.Attribution{} // A hint that cannot be had is no reason to leave the drift as it is.
		}
	}
	return drift.Attribute(managedFields, o.Fields)
}

// put corrects a drift, and returns the API server's answer. A pass that can be overtaken makes way
// for those that correct what somebody did.
func (e *Engine) put(ctx context.Context, s *Scope, o *drift.Outcome) (made answer, err error) {
	w := &write{e: e, s: s, o: o}
	switch {
	case e.Writes == nil:
	case s.Overtakable:
		err = e.Writes.Write(ctx, func() error {
			made, err = w.correct(ctx)
			return err
		})
		return made, err
	case o.Recorded && !o.Foreign:
		e.Writes.Yield()
	}
	return w.correct(ctx)
}

// conclude says what has become of a drift whose correction was written, by the API server's
// answer.
func (e *Engine) conclude(s *Scope, o *drift.Outcome, answer baseline.Object) {
	o.Done = true
	e.PutBack.Forget(s.Namespace, o.Object)
	now := e.Clock.Now()
	// Of what somebody has deleted meanwhile admission has changed nothing.
	if answer != nil && answer.GetDeletionTimestamp().IsZero() && !kindOf(&o.Drift).JudgesRequests {
		o.Mutated = drift.Differences(o.Want, answer)
	}
	if len(o.Mutated) > 0 {
		o.State, o.Wait = v1alpha1.DriftStatePresent, e.Mutations.Note(s.Namespace, o.Object, o.Mutated, now)
	} else {
		e.Mutations.Forget(s.Namespace, o.Object)
	}
	if !o.Recorded || goesAtOnce(&o.Drift) {
		return
	}
	if e.Contests.Corrected(s.Namespace, &o.Drift, o.By.Manager, now) && o.State == v1alpha1.DriftStateCorrected {
		o.State = v1alpha1.DriftStateContested
	}
}

// Standing are the contests over some objects of a namespace, or over some that are cluster-scoped,
// after a pass. Those that are over end.
func (e *Engine) Standing(
	namespace string, among func(v1alpha1.ObjectReference) bool, outcomes []drift.Outcome,
) []contention.Dispute {
	differs := func(ref v1alpha1.ObjectReference) bool {
		return slices.ContainsFunc(outcomes, func(o drift.Outcome) bool { return o.Object == ref && !o.Done })
	}
	return e.Contests.Standing(namespace, among, differs, e.Clock.Now())
}

// Forget drops what is remembered of a namespace that is gone.
func (e *Engine) Forget(namespace string) {
	e.Contests.Forget(namespace)
	e.Mutations.ForgetNamespace(namespace)
	e.PutBack.ForgetNamespace(namespace)
}
