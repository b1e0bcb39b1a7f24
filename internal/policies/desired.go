package policies

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bulwark-dev/bulwark/internal/admission"
	"github.com/bulwark-dev/bulwark/internal/baseline"
)

// With the roll-out WhenSafe the rules for pods change only once every namespace has looked at what
// runs there: whoever breaks them says by its label that they wait. They change after a while all
// the same, since one namespace that cannot be looked at must not keep them from all others.
const lookPatience = 30 * time.Second

// patience is how many namespaces are waited for, and since when it is as many.
type patience struct {
	generation int64
	missing    int
	since      time.Time
}

// desiredPolicies are the policies that there are to be for the time being.
type desiredPolicies struct {
	objects []baseline.Object
	interim bool          // it is not yet what is declared
	pending int           // for how many namespaces' reports the rules for pods wait
	wait    time.Duration // until the next pass; zero for none
}

// desired is what is declared, or what there is to be meanwhile if that must wait.
func (k *Keeper) desired(ctx context.Context, pass *Pass) (desiredPolicies, error) {
	if pass.steady {
		pass.state.patience = nil
		return desiredPolicies{objects: pass.declared}, nil
	}
	labelled, err := k.reader.labelled(ctx, pass.profile.Name)
	if err != nil {
		return desiredPolicies{}, err
	}
	desired, err := pass.givingWay(labelled, k.interval)
	if err != nil || !pass.waitsForReports(k.clock.Now()) {
		return desired, err
	}
	judges := func(o baseline.Object) bool { return admission.JudgesPods(pass.profile.Name, o.GetName()) }
	kept := slices.DeleteFunc(labelled, func(o baseline.Object) bool { return !judges(o) })
	desired.objects = append(slices.DeleteFunc(desired.objects, judges), kept...)
	desired.interim, desired.pending, desired.wait = true, pass.rollout.Pending, k.interval
	return desired, nil
}

// givingWay is what is declared until all bindings select as declared. A policy is written before
// its binding: if it gave way only where the profile selects now, it would judge what the binding
// still selects in the place of the profile that governs there.
func (p *Pass) givingWay(labelled []baseline.Object, interval time.Duration) (desiredPolicies, error) {
	var bound []*metav1.LabelSelector
	for _, o := range labelled {
		if b, ok := o.(*admissionregistrationv1.ValidatingAdmissionPolicyBinding); ok && b.Spec.MatchResources != nil {
			bound = append(bound, b.Spec.MatchResources.NamespaceSelector)
		}
	}
	desired := desiredPolicies{objects: p.render(bound...)}
	rendered, err := digestOf(desired.objects)
	if desired.interim = rendered != p.digest; desired.interim {
		// The bindings may have been written before: then no event tells.
		desired.wait = interval
	}
	return desired, err
}

// waitsForReports reports whether the rules for pods stay as they are, since namespaces are to be
// looked at before they change.
func (p *Pass) waitsForReports(now time.Time) bool {
	missing, generation, s := p.rollout.Pending, p.profile.Generation, p.state
	if missing == 0 {
		s.patience = nil
		return false
	}
	last := s.patience
	if last == nil || last.generation != generation || missing < last.missing || last.since.After(now) {
		last = &patience{generation: generation, missing: missing, since: now}
		s.patience = last
	}
	return now.Sub(last.since) < lookPatience
}

// render makes the policies of the profile, which give way to others also by what else its bindings
// may select.
func (p *Pass) render(bound ...*metav1.LabelSelector) []baseline.Object {
	cluster := p.cluster
	cluster.Outranking, cluster.Held = p.selector.Outranking(p.profile, bound...), p.rollout.Held
	return admission.Objects(admission.Render(p.profile, cluster))
}

// digestOf tells one rendering from another.
func digestOf(objects []baseline.Object) (digest, error) {
	data, err := json.Marshal(objects)
	if err != nil {
		return digest{}, fmt.Errorf("encoding policies: %w", err)
	}
	return sha256.Sum256(data), nil
}
