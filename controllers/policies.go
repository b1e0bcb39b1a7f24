package controllers

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/recorder"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/admission"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/internal/drift"
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
	contests  *contests
	recheck   time.Duration // of policies of another maker, which the cache does not hold
	costs     costs

	// inPlace is, by profile, a digest of what was last put in place: what differs though the declared is the same is drift.
	inPlace map[string]digest
}

type digest [sha256.Size]byte

// policing is what one pass over the policies of a profile found and did.
type policing struct {
	skipped  bool // another profile cannot be read, so that nothing can be decided
	desired  []baseline.Object
	found    []baseline.Object // before corrections
	outcomes []outcome
	cost     policyCost
	wait     time.Duration // until a look at what waits or is not watched; zero for none
}

func (p *policing) comeBack(after time.Duration) {
	if p.wait == 0 || after < p.wait {
		p.wait = after
	}
}

// establish corrects what differs from the policies that the profile declares. The error joins those of all objects; each is tried.
func (p *policies) establish(ctx context.Context, profile *v1alpha1.SecurityProfile, selector *selection.Selector) (*policing, error) {
	if selector.AnyInvalid() {
		return &policing{skipped: true}, nil // Whom a broken edit takes out of the order must not have its namespaces judged by another.
	}
	pass := &policing{desired: admission.Objects(admission.Render(profile, p.cluster(profile, selector)))}
	now, err := digestOf(pass.desired)
	if err != nil {
		return nil, err
	}
	known, established := p.inPlace[profile.Name]
	steady := established && known == now
	// Where no condition speaks of policies there never were any.
	there := meta.FindStatusCondition(profile.Status.Conditions, v1alpha1.ConditionAdmission) != nil
	if pass.found, err = p.gather(ctx, profile.Name, pass.desired, there && !steady); err != nil {
		return nil, err
	}
	var failures []error
	for _, prune := range []bool{false, true} {
		for _, d := range drift.Compare(pass.desired, pass.found, drift.Ours) {
			if (d.Change == v1alpha1.Unexpected) != prune {
				continue
			}
			failures = append(failures, p.resolve(ctx, profile, pass, d, steady))
		}
	}
	if err := errors.Join(failures...); err != nil {
		return pass, err
	}
	p.inPlace[profile.Name] = now
	pass.cost, err = p.costs.of(profile, admission.Cluster{Protected: p.protected, Operator: p.operator})
	return pass, err
}

func (p *policies) cluster(profile *v1alpha1.SecurityProfile, selector *selection.Selector) admission.Cluster {
	return admission.Cluster{Outranking: selector.Outranking(profile.Name), Protected: p.protected, Operator: p.operator}
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
func (p *policies) resolve(ctx context.Context, profile *v1alpha1.SecurityProfile, pass *policing, d drift.Drift, steady bool) error {
	o := p.judge(profile, d, steady)
	if o.state == v1alpha1.Corrected {
		err := p.correct(ctx, d)
		if apierrors.IsAlreadyExists(err) {
			return p.resolveExisting(ctx, profile, pass, d.Want, steady)
		}
		if apierrors.IsConflict(err) { // Somebody was faster: the next pass, on what there is by then, comes at once.
			return fmt.Errorf("correcting %s %s: %w", d.Object.Kind, d.Object.Name, err)
		}
		p.note(profile, &o, err)
	}
	switch o.state {
	case v1alpha1.Conflict:
		pass.comeBack(p.recheck)
	case v1alpha1.Contested:
		pass.comeBack(o.wait)
	}
	pass.outcomes = append(pass.outcomes, o)
	p.announce(profile, &o)
	if o.err != nil {
		return fmt.Errorf("correcting %s %s: %w", d.Object.Kind, d.Object.Name, o.err)
	}
	return nil
}

// judge is what shall become of a drift, and whether it is one at all.
//
// What differs since the profile, another that outranks it or the operator changed is none. After a restart that is not known: what somebody
// else has set is drift then, and so is what is missing of what was in place.
func (p *policies) judge(profile *v1alpha1.SecurityProfile, d drift.Drift, steady bool) outcome {
	o := outcome{Drift: d, state: v1alpha1.Corrected}
	if d.Got != nil {
		o.by = drift.Attribute(d.Got.GetManagedFields(), d.Fields)
	}
	o.recorded = d.Foreign || steady || inForce(profile) && (d.Change == v1alpha1.Missing || o.by.Manager != "")
	if d.Foreign && !profile.Adopts() {
		o.state = v1alpha1.Conflict
		return o
	}
	if o.recorded && d.Change != v1alpha1.Unexpected {
		o.wait = p.contests.wait("", &d, p.clock.Now())
	}
	if o.wait > 0 {
		o.state = v1alpha1.Contested
	}
	return o
}

// note takes down what became of a correction. What should not exist and is gone already is corrected.
func (p *policies) note(profile *v1alpha1.SecurityProfile, o *outcome, err error) {
	if o.Change == v1alpha1.Unexpected {
		err = client.IgnoreNotFound(err)
	}
	switch {
	case err != nil:
		o.state, o.err = v1alpha1.Present, err
		p.metrics.applyFailed(profile.Name, o.Object.Kind, err)
	case o.recorded && o.Change != v1alpha1.Unexpected:
		p.contests.corrected("", &o.Drift, p.clock.Now())
	}
}

// resolveExisting is for the object that was thought to be missing, since it does not bear the label by which the cache holds it.
func (p *policies) resolveExisting(
	ctx context.Context, profile *v1alpha1.SecurityProfile, pass *policing, want baseline.Object, steady bool,
) error {
	got, err := p.read(ctx, want)
	if err != nil {
		return err
	}
	if got == nil {
		return fmt.Errorf("%s appeared and vanished", describe(want))
	}
	for _, d := range drift.Compare([]baseline.Object{want}, []baseline.Object{got}, drift.Ours) {
		return p.resolve(ctx, profile, pass, d, steady)
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
	}
	object := d.Want.DeepCopyObject().(client.Object)
	object.SetUID(d.Got.GetUID())
	object.SetResourceVersion(d.Got.GetResourceVersion()) // Policies cannot be updated without.
	return p.client.Update(ctx, object)
}

// remove deletes exactly this object, as it was found, whatever finalizer somebody has put on it: with one more it would stay.
func (p *policies) remove(ctx context.Context, got baseline.Object) error {
	if len(got.GetFinalizers()) > 0 {
		stripped := got.DeepCopyObject().(baseline.Object)
		stripped.SetFinalizers(nil)
		if err := p.client.Update(ctx, stripped, client.DisableReadYourWritesConsistency); err != nil {
			return err
		}
		got = stripped
	}
	uid, version := got.GetUID(), got.GetResourceVersion()
	return p.client.Delete(ctx, got, client.Preconditions{UID: &uid, ResourceVersion: &version}, client.DisableReadYourWritesConsistency)
}

// gather is what bears the profile's name, what has the name of something desired, and what has been stripped of the profile's name. The last
// two the cache does not hold: they are read from the API server, the stripped ones where there may be some, which is after a start
// and after a change.
func (p *policies) gather(ctx context.Context, profile string, desired []baseline.Object, stripped bool) ([]baseline.Object, error) {
	objects, err := p.labelled(ctx, profile)
	if err != nil {
		return nil, err
	}
	held, wanted := map[v1alpha1.ObjectReference]bool{}, map[v1alpha1.ObjectReference]bool{}
	for _, o := range objects {
		held[baseline.Reference(o)] = true
	}
	for _, o := range desired {
		wanted[baseline.Reference(o)] = true
	}
	for _, o := range admission.Named(profile) {
		ref := baseline.Reference(o)
		if held[ref] || !wanted[ref] && !stripped {
			continue
		}
		got, err := p.read(ctx, o)
		if err != nil {
			return nil, err
		}
		if got != nil && (wanted[ref] || drift.Ours(got)) {
			objects = append(objects, got)
		}
	}
	return objects, nil
}

// labelled lists the policies and bindings that bear the profile's name. They are shared with the cache.
func (p *policies) labelled(ctx context.Context, profile string) ([]baseline.Object, error) {
	var objects []baseline.Object
	for i := range baseline.AdmissionKinds {
		kind := &baseline.AdmissionKinds[i]
		list, err := newList(p.client.Scheme(), kind)
		if err != nil {
			return nil, err
		}
		if err := p.client.List(ctx, list, client.MatchingLabels{v1alpha1.ProfileLabel: profile}, client.UnsafeDisableDeepCopy); err != nil {
			return nil, fmt.Errorf("listing %s of profile %s: %w", kind.Resource, profile, err)
		}
		items, err := itemsOf(list)
		if err != nil {
			return nil, err
		}
		objects = append(objects, items...)
	}
	return objects, nil
}

// read is the object of this kind and name by the API server, or nil.
func (p *policies) read(ctx context.Context, want baseline.Object) (baseline.Object, error) {
	got := baseline.KindOf(want).New()
	switch err := p.live.Get(ctx, client.ObjectKeyFromObject(want), got); {
	case apierrors.IsNotFound(err):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("reading %s: %w", describe(want), err)
	}
	return got, nil
}

// withdraw deletes the policies of a profile that goes: those that bear its name, and those that somebody has stripped of it. They go
// last, so that the baseline is guarded until it is gone, and whatever the profile's deletionPolicy is: without the profile nobody would
// say any more that a namespace is ready.
func (p *policies) withdraw(ctx context.Context, profile *v1alpha1.SecurityProfile) error {
	objects, err := p.gather(ctx, profile.Name, nil, true)
	if err != nil {
		return err
	}
	for _, o := range objects {
		if err := p.remove(ctx, o); client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("deleting %s: %w", describe(o), err)
		}
	}
	delete(p.inPlace, profile.Name)
	delete(p.costs.last, profile.Name)
	return nil
}

// announce tells events and metrics. Of what lasts, a policy tells once: the status of the profile says it from then on.
func (p *policies) announce(profile *v1alpha1.SecurityProfile, o *outcome) {
	event := func(eventType, reason, action, note string) {
		related := &corev1.ObjectReference{APIVersion: o.Object.APIVersion, Kind: o.Object.Kind, Name: o.Object.Name}
		p.recorder.Eventf(profile, related, eventType, reason, action, "%s", cutNote(note))
	}
	name := o.Object.Kind + " " + o.Object.Name
	if o.recorded && !o.Foreign && o.state == v1alpha1.Corrected {
		p.metrics.driftDetected(profile.Name, o.Object.Kind, o.Change)
		p.metrics.policyCorrected(profile.Name, o.Object.Kind)
		event(corev1.EventTypeWarning, v1alpha1.EventDrift, "Compare", o.sentence())
		event(corev1.EventTypeNormal, v1alpha1.EventCorrected, "Correct", name+" is again as declared")
	}
	if told(profile, o) {
		return
	}
	switch {
	case o.err != nil:
		event(corev1.EventTypeWarning, v1alpha1.EventFailed, "Apply", cut(o.err.Error()))
	case o.state == v1alpha1.Conflict:
		event(corev1.EventTypeWarning, v1alpha1.EventConflict, "Compare", name+" was not made by Bulwark and is left alone")
	case o.state == v1alpha1.Contested:
		p.metrics.contested(profile.Name, o.Object.Kind)
		event(corev1.EventTypeWarning, v1alpha1.EventContested, "Wait",
			fmt.Sprintf("%s is contested by %s: the next correction waits %s", name, managerName(o.by.Manager), o.wait))
	}
}
