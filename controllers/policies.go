package controllers

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/recorder"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/admission"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/internal/drift"
	"github.com/bulwark-dev/bulwark/internal/printable"
	"github.com/bulwark-dev/bulwark/internal/selection"
)

// policies brings the ValidatingAdmissionPolicies of a profile to what it declares. The reconciler of profiles has one worker, so that
// nothing here is locked.
type policies struct {
	client    client.Client
	live      client.Reader
	recorder  recorder.EventRecorder
	metrics   *Metrics
	clock     clock.PassiveClock
	protected []string
	operator  string // the name of the user that the operator is
	proof     admission.Proof
	contests  *contests
	changes   *moments // when the policies of each profile last changed: until every API server has heard of it, they may not hold
	strays    *strays
	swept     bool
	recheck   time.Duration // of policies of another maker, which the cache does not hold
	// statusInterval is after what time a pass that has to wait is done again.
	statusInterval time.Duration
	costs          costs

	// inPlace is, by profile, a digest of what was last put in place: what differs though the declared is the same is drift.
	inPlace map[string]digest
	// strangers are, by profile, the policies of another maker that bore names of its own then.
	strangers map[string][]v1alpha1.ObjectReference
	// refused is, by profile, the last pass in which the API server refused something, and when to try again.
	refused map[string]refusedPass
	// patience is, by profile, for how many namespaces rules for pods wait.
	patience map[string]patience
	// unwritten is, by profile, the drift that was corrected and that no status holds yet.
	unwritten map[string][]drift.Outcome
}

type digest [sha256.Size]byte

// policing is what one pass over the policies of a profile found and did.
type policing struct {
	desired  []baseline.Object
	found    []baseline.Object // before corrections
	outcomes []drift.Outcome

	corrected []drift.Outcome // the drift that is to be recorded, of this pass and of earlier ones that no status was written of

	answer   v1alpha1.Contest // to those who contest a policy
	disputes []dispute        // the contests that there are after the corrections

	cost policyCost
	wait time.Duration // until a look at what waits or is not watched; zero for none

	ours   func(baseline.Object) bool
	steady bool // what is declared is what was last put in place
	// interim says that what is desired is not yet what is declared, and looking for how many namespaces it waits that have yet to be looked at.
	interim bool
	looking int
}

func (p *policing) comeBack(after time.Duration) {
	if p.wait == 0 || after < p.wait {
		p.wait = after
	}
}

// came reports whether some outcome is such.
func (p *policing) came(such func(*drift.Outcome) bool) bool {
	return slices.ContainsFunc(p.outcomes, func(o drift.Outcome) bool { return such(&o) })
}

// establish corrects what differs from the policies that the profile declares. What the API server refuses is an drift.Outcome, and is tried
// again after a growing while. An error is what a look that comes soon may not meet; then there is no pass.
func (p *policies) establish(
	ctx context.Context, profile *v1alpha1.SecurityProfile, selector *selection.Selector, looks podLooks,
) (*policing, error) {
	declared := p.render(profile, selector, looks.held)
	now, err := digestOf(declared)
	if err != nil {
		return nil, err
	}
	if again := p.refusedStill(profile.Name, now); again != nil {
		again.corrected = p.unwritten[profile.Name]
		return again, nil
	}
	known, established := p.inPlace[profile.Name]
	pass := &policing{desired: declared, steady: established && known == now, answer: profile.EffectiveContest()}
	if err := p.meanwhile(ctx, profile, selector, looks, pass, now); err != nil {
		return nil, err
	}
	wereInForce := pass.steady || inForce(profile)
	// Who strips a policy of all that says whose it is does not make it a stranger's.
	pass.ours = func(o baseline.Object) bool {
		return drift.Ours(o) || wereInForce && !slices.Contains(p.strangers[profile.Name], baseline.Reference(o))
	}
	if pass.found, err = p.gather(ctx, profile.Name, pass.desired, false); err != nil {
		return nil, err
	}
	if err := p.correctAll(ctx, profile, pass); err != nil {
		return nil, err
	}
	p.dispute(pass)
	pass.corrected = p.unwritten[profile.Name]
	pass.cost = p.costs[profile.Name].cost
	if !pass.steady {
		cluster := admission.Cluster{Protected: p.protected, Operator: p.operator, Proof: p.proof}
		if pass.cost, err = p.costs.of(ctx, profile, cluster); err != nil {
			return nil, err
		}
	}
	p.conclude(profile.Name, pass, now, established)
	return pass, nil
}

// dispute lists the contests over the policies of the pass, and has it come back when the first of them may be over.
func (p *policies) dispute(pass *policing) {
	among := func(ref v1alpha1.ObjectReference) bool {
		return slices.ContainsFunc(pass.desired, func(o baseline.Object) bool { return baseline.Reference(o) == ref })
	}
	differs := func(ref v1alpha1.ObjectReference) bool {
		return pass.came(func(o *drift.Outcome) bool { return o.Object == ref && !o.Done })
	}
	pass.disputes = p.contests.standing("", among, differs, p.clock.Now())
	for _, d := range pass.disputes {
		if d.left > 0 {
			pass.comeBack(d.left)
		}
	}
}

// unsettled reports whether policies that are in force as the profile's spec declares them differ from what is declared now: other
// profiles have come or gone.
func (p *policies) unsettled(profile *v1alpha1.SecurityProfile, selector *selection.Selector, looks podLooks) (bool, error) {
	now, err := digestOf(p.render(profile, selector, looks.held))
	known, established := p.inPlace[profile.Name]
	return established && known != now && inForce(profile), err
}

// written says that a status holds the drift that was corrected.
func (p *policies) written(profile string) { delete(p.unwritten, profile) }

// correctAll resolves each drift: what is missing or differs first, a policy before its binding, and what should not exist last, a binding
// before its policy. The error joins those of all; each is tried.
func (p *policies) correctAll(ctx context.Context, profile *v1alpha1.SecurityProfile, pass *policing) error {
	var interruptions []error
	drifts := drift.Compare(pass.desired, pass.found, pass.ours)
	for _, d := range drifts {
		if d.Change != v1alpha1.Unexpected && !pass.bindsStranger(d.Want) {
			interruptions = append(interruptions, p.resolve(ctx, profile, pass, d))
		}
	}
	for _, d := range slices.Backward(drifts) {
		if d.Change == v1alpha1.Unexpected {
			interruptions = append(interruptions, p.resolve(ctx, profile, pass, d))
		}
	}
	return errors.Join(interruptions...)
}

// bindsStranger reports whether an object is a binding that would put another maker's policy in force.
func (p *policing) bindsStranger(o baseline.Object) bool {
	binding, ok := o.(*admissionregistrationv1.ValidatingAdmissionPolicyBinding)
	return ok && p.came(func(o *drift.Outcome) bool {
		return o.State == v1alpha1.Conflict && o.Object.Name == binding.Spec.PolicyName
	})
}

// conclude remembers what is in place now, or when to try again.
func (p *policies) conclude(profile string, pass *policing, now digest, established bool) {
	if pass.came(func(o *drift.Outcome) bool { return o.Err != nil }) {
		p.refuse(profile, now, pass)
		return
	}
	delete(p.refused, profile)
	delete(p.strangers, profile)
	for i := range pass.outcomes {
		if o := &pass.outcomes[i]; o.State == v1alpha1.Conflict {
			p.strangers[profile] = append(p.strangers[profile], o.Object)
		}
	}
	corrected := pass.came(func(o *drift.Outcome) bool { return o.Done })
	if corrected || established && !pass.steady {
		p.changes.note(profile, p.clock.Now())
	}
	if !pass.interim { // Else the bindings that have been written lead to another pass.
		p.inPlace[profile] = now
	}
}

// refusedPass is a pass in which the API server refused something.
type refusedPass struct {
	digest digest
	pass   policing
	tried  time.Time
	wait   time.Duration
}

// refuse remembers the pass, which then stands for those that come too early.
func (p *policies) refuse(profile string, now digest, pass *policing) {
	r := refusedPass{digest: now, pass: *pass, tried: p.clock.Now(), wait: p.statusInterval}
	if last, again := p.refused[profile]; again && last.digest == now {
		r.wait = min(2*last.wait, retryMax)
	}
	p.refused[profile] = r
	pass.comeBack(r.wait)
}

// refusedStill is the last pass if it was refused and it is too early to try again; nil if there is nothing to wait for.
func (p *policies) refusedStill(profile string, now digest) *policing {
	r, refused := p.refused[profile]
	if !refused || r.digest != now {
		return nil
	}
	since := p.clock.Since(r.tried)
	if since < 0 || since >= r.wait { // The clock may have been set back.
		return nil
	}
	again := r.pass
	again.wait = r.wait - since
	return &again
}

// render makes the policies of a profile, which give way to others also by what else its bindings may select.
func (p *policies) render(
	profile *v1alpha1.SecurityProfile, selector *selection.Selector, held []admission.Held, bound ...*metav1.LabelSelector,
) []baseline.Object {
	return admission.Objects(admission.Render(profile, admission.Cluster{
		Outranking: selector.Outranking(profile, bound...), Protected: p.protected, Operator: p.operator,
		Proof: p.proof, Held: held,
	}))
}

// meanwhile makes what is desired what there is to be for the time being, if what is declared must wait.
func (p *policies) meanwhile(
	ctx context.Context, profile *v1alpha1.SecurityProfile, selector *selection.Selector, looks podLooks, pass *policing, declared digest,
) error {
	if err := p.giveWayMeanwhile(ctx, profile, selector, looks, pass, declared); err != nil {
		return err
	}
	return p.lookFirst(ctx, profile, pass, looks)
}

// giveWayMeanwhile makes what is desired the policies until all bindings select as declared. A policy is written before its binding: if it gave way
// only where the profile selects now, it would judge what the binding still selects in the place of the profile that governs there.
func (p *policies) giveWayMeanwhile(
	ctx context.Context, profile *v1alpha1.SecurityProfile, selector *selection.Selector, looks podLooks, pass *policing, declared digest,
) error {
	if pass.steady {
		return nil
	}
	inPlace, err := p.labelled(ctx, profile.Name)
	if err != nil {
		return err
	}
	var bound []*metav1.LabelSelector
	for _, o := range inPlace {
		if b, ok := o.(*admissionregistrationv1.ValidatingAdmissionPolicyBinding); ok && b.Spec.MatchResources != nil {
			bound = append(bound, b.Spec.MatchResources.NamespaceSelector)
		}
	}
	pass.desired = p.render(profile, selector, looks.held, bound...)
	desired, err := digestOf(pass.desired)
	if pass.interim = desired != declared; pass.interim { // The bindings may have been written before: then no event tells.
		pass.comeBack(p.statusInterval)
	}
	return err
}

// digestOf tells one rendering from another.
func digestOf(objects []baseline.Object) (digest, error) {
	data, err := json.Marshal(objects)
	if err != nil {
		return digest{}, fmt.Errorf("encoding policies: %w", err)
	}
	return sha256.Sum256(data), nil
}

// resolve decides on one drift, corrects it if it is to be, and says so.
func (p *policies) resolve(ctx context.Context, profile *v1alpha1.SecurityProfile, pass *policing, d drift.Drift) error {
	o := p.judge(profile, d, pass.steady)
	if o.State == v1alpha1.Corrected {
		err := p.correct(ctx, d)
		if apierrors.IsAlreadyExists(err) {
			return p.resolveExisting(ctx, profile, pass, d.Want)
		}
		if interrupted(err) || isOvertaken(err) {
			return fmt.Errorf("correcting %s %s: %w", d.Object.Kind, d.Object.Name, err)
		}
		p.note(profile, &o, err)
	}
	switch o.State {
	case v1alpha1.Conflict:
		pass.comeBack(p.recheck)
	case v1alpha1.Contested:
		if !o.Done {
			pass.comeBack(o.Wait)
		}
	}
	pass.outcomes = append(pass.outcomes, o)
	p.announce(profile, &o)
	return nil
}

// interrupted recognises errors of a write that say nothing of what is written: somebody was faster, or the API server is busy or away.
func interrupted(err error) bool {
	var status apierrors.APIStatus
	return err != nil && (!errors.As(err, &status) || apierrors.IsConflict(err) || apierrors.IsTooManyRequests(err) ||
		apierrors.IsServerTimeout(err) || apierrors.IsTimeout(err) || apierrors.IsServiceUnavailable(err) || apierrors.IsInternalError(err))
}

// judge is what shall become of a drift, and whether it is one at all.
//
// What differs since the profile, another that outranks it or the operator changed is none. After a restart that is not known: what somebody
// else has set is drift then, and so is what is missing of what was in place.
func (p *policies) judge(profile *v1alpha1.SecurityProfile, d drift.Drift, steady bool) drift.Outcome {
	o := drift.Outcome{Drift: d, State: v1alpha1.Corrected}
	if d.Got != nil {
		o.By = drift.Attribute(d.Got.GetManagedFields(), d.Fields)
	}
	o.Recorded = d.Foreign || steady || inForce(profile) && (d.Change == v1alpha1.Missing && !admission.IsHeld(profile.Name, d.Object.Name) || o.By.Manager != "")
	if d.Foreign && !profile.Adopts() {
		o.State = v1alpha1.Conflict
		return o
	}
	if o.Recorded && d.Change != v1alpha1.Unexpected {
		o.Wait = p.contestedWait(profile, &o)
	}
	if o.Wait > 0 {
		o.State = v1alpha1.Contested
	}
	return o
}

// contestedWait is how long a correction waits for the sake of a contest.
func (p *policies) contestedWait(profile *v1alpha1.SecurityProfile, o *drift.Outcome) time.Duration {
	now := p.clock.Now()
	p.contests.found("", &o.Drift, o.By.Manager, now)
	if profile.EffectiveContest() == v1alpha1.Correct {
		return p.contests.take("", &o.Drift, now)
	}
	return p.contests.wait("", &o.Drift, now)
}

// note takes down what became of a correction. What should not exist and is gone already is corrected.
func (p *policies) note(profile *v1alpha1.SecurityProfile, o *drift.Outcome, err error) {
	if o.Change == v1alpha1.Unexpected {
		err = client.IgnoreNotFound(err)
	}
	switch {
	case err != nil:
		o.State, o.Err = v1alpha1.Present, err
		p.metrics.applyFailed(profile.Name, o.Object.Kind, err)
	case o.Recorded:
		corrected := *o // In the history it is, whatever becomes of a contest.
		if o.Change != v1alpha1.Unexpected && p.contests.corrected("", &o.Drift, o.By.Manager, p.clock.Now()) {
			o.State = v1alpha1.Contested
		}
		if o.State != v1alpha1.Contested || !told(profile, o) {
			p.unwritten[profile.Name] = append(p.unwritten[profile.Name], corrected)
		}
	}
	o.Done = err == nil
}

// resolveExisting is for the object that was thought to be missing, since it does not bear the label by which the cache holds it.
func (p *policies) resolveExisting(ctx context.Context, profile *v1alpha1.SecurityProfile, pass *policing, want baseline.Object) error {
	got, err := p.read(ctx, want)
	if err != nil {
		return err
	}
	if got == nil {
		return fmt.Errorf("%s appeared and vanished", describe(want))
	}
	for _, d := range drift.Compare([]baseline.Object{want}, []baseline.Object{got}, pass.ours) {
		return p.resolve(ctx, profile, pass, d)
	}
	return nil
}

// correct makes the one write that ends a drift.
func (p *policies) correct(ctx context.Context, d drift.Drift) error {
	switch {
	case d.Want == nil:
		return p.remove(ctx, d.Got)
	case d.Got == nil:
		return p.client.Create(ctx, d.Want.DeepCopyObject().(client.Object))
	case d.Replaces(): // It is about to go, whoever holds it. If it may not be made anew, it is left to that.
		if err := admits(ctx, p.client, d.Want); err != nil {
			return err
		}
		if err := p.remove(ctx, d.Got); client.IgnoreNotFound(err) != nil {
			return err
		}
		return p.client.Create(ctx, d.Want.DeepCopyObject().(client.Object))
	}
	patch, err := drift.Patch(d.Want, d.Got)
	if err != nil {
		return err
	}
	object := baseline.KindOf(d.Want).New()
	object.SetName(d.Want.GetName())
	return p.client.Patch(ctx, object, client.RawPatch(types.JSONPatchType, patch))
}

// remove deletes exactly this object, as it was found, whatever finalizer somebody has put on it: with one more it would stay.
func (p *policies) remove(ctx context.Context, got baseline.Object) error {
	if len(got.GetFinalizers()) > 0 {
		stripped := got.DeepCopyObject().(baseline.Object)
		stripped.SetFinalizers(nil)
		if binding, ok := stripped.(*admissionregistrationv1.ValidatingAdmissionPolicyBinding); ok {
			binding.Spec.ParamRef = nil // Without its policy nobody may write a binding that has one.
		}
		if err := p.client.Update(ctx, stripped, client.DisableReadYourWritesConsistency); err != nil {
			return err
		}
		got = stripped
	}
	uid, version := got.GetUID(), got.GetResourceVersion()
	return p.client.Delete(ctx, got, client.Preconditions{UID: &uid, ResourceVersion: &version}, client.DisableReadYourWritesConsistency)
}

// relax deletes what judges requests for the sake of a profile that goes: it governs no namespace any more. What guards its baseline stays
// until that is gone.
func (p *policies) relax(ctx context.Context, profile *v1alpha1.SecurityProfile) error {
	objects, err := p.labelled(ctx, profile.Name)
	if err != nil {
		return err
	}
	return p.removeAll(ctx, slices.DeleteFunc(objects, func(o baseline.Object) bool { return admission.Guards(profile.Name, o.GetName()) }))
}

// withdraw deletes the policies of a profile that goes: those that bear its name, and those that somebody has stripped of it. They go
// last, so that the baseline is guarded until it is gone, and whatever the profile's deletionPolicy is: without the profile nobody would
// say any more that a namespace is ready.
func (p *policies) withdraw(ctx context.Context, profile *v1alpha1.SecurityProfile) error {
	objects, err := p.gather(ctx, profile.Name, nil, true)
	if err != nil {
		return err
	}
	if err := p.removeAll(ctx, objects); err != nil {
		return err
	}
	delete(p.inPlace, profile.Name)
	delete(p.refused, profile.Name)
	delete(p.strangers, profile.Name)
	delete(p.costs, profile.Name)
	delete(p.unwritten, profile.Name)
	delete(p.patience, profile.Name)
	p.changes.forget(profile.Name)
	return nil
}

// removeAll deletes policies and bindings, the latter first.
func (p *policies) removeAll(ctx context.Context, objects []baseline.Object) error {
	slices.SortStableFunc(objects, func(a, b baseline.Object) int {
		return cmp.Compare(baseline.KindOf(b).Kind, baseline.KindOf(a).Kind)
	})
	for _, o := range objects {
		if err := p.remove(ctx, o); client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("deleting %s: %w", describe(o), err)
		}
	}
	return nil
}

// announce tells events and metrics. What is contested is told once, and each of its corrections counts. Of what lasts, a policy tells once: the status of the profile says it from then on.
func (p *policies) announce(profile *v1alpha1.SecurityProfile, o *drift.Outcome) {
	event := func(eventType, reason, action, note string) {
		related := &corev1.ObjectReference{APIVersion: o.Object.APIVersion, Kind: o.Object.Kind, Name: o.Object.Name}
		p.recorder.Eventf(profile, related, eventType, reason, action, "%s", cutNote(note))
	}
	name := o.Object.Kind + " " + o.Object.Name
	if o.Recorded && !o.Foreign && o.Done {
		p.metrics.driftDetected(profile.Name, o.Object.Kind, o.Change)
		p.metrics.countCorrection(profile.Name, o.Object.Kind)
	}
	if o.Recorded && !o.Foreign && o.State == v1alpha1.Corrected {
		event(corev1.EventTypeWarning, v1alpha1.EventDrift, "Compare", o.Sentence())
		event(corev1.EventTypeNormal, v1alpha1.EventCorrected, "Correct", name+" is again as declared")
	}
	if told(profile, o) {
		return
	}
	switch {
	case o.Err != nil:
		event(corev1.EventTypeWarning, v1alpha1.EventFailed, "Apply", printable.Message(o.Err.Error()))
	case o.State == v1alpha1.Conflict:
		event(corev1.EventTypeWarning, v1alpha1.EventConflict, "Compare", name+" was not made by Bulwark and is left alone")
	case o.State == v1alpha1.Contested:
		p.metrics.contested(profile.Name, o.Object.Kind)
		event(corev1.EventTypeWarning, v1alpha1.EventContested, "Wait",
			name+" is "+(&dispute{change: o.Change, managers: managersOf(o.By.Manager)}).sentence(profile.EffectiveContest()))
	}
}
