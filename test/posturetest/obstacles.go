package posturetest

import (
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/admission"
)

// For how long Govern waits while an obstacle stands in its way.
const (
	// hopeless does not go away.
	hopeless = 0
	// needsHelp goes away if somebody helps, as a test may that does two things at once.
	needsHelp = 2 * time.Second
	// inProgress goes away by itself.
	inProgress = 30 * time.Second
)

// obstacle stands between a namespace and the baseline that its profile declares.
type obstacle struct {
	says  string
	waits time.Duration
}

func obstacles(waits time.Duration, says ...string) []obstacle {
	var all []obstacle
	for _, s := range says {
		all = append(all, obstacle{says: s, waits: waits})
	}
	return all
}

// shortest is for how long to wait at most while all of these stand.
func shortest(all []obstacle) time.Duration {
	wait := inProgress
	for _, o := range all {
		wait = min(wait, o.waits)
	}
	return wait
}

// listed are the obstacles, each on a line.
func listed(all []obstacle) string {
	var b strings.Builder
	for _, o := range all {
		b.WriteString("\n  " + o.says)
	}
	return b.String()
}

// toReadiness are the obstacles on the way to a report that is ready, and of the profile as it is
// now.
func (p *Posture) toReadiness(profile *v1alpha1.SecurityProfile) []obstacle {
	if stale := p.outdated(profile); len(stale) > 0 {
		return append(stale, ofProfile(profile)...)
	}
	if why := p.Report.Stalled(); why != "" {
		return obstacles(needsHelp, "SecurityProfile "+profile.Name+" cannot be carried out: "+why)
	}
	if p.Report.IsReady() || p.Report.Enforcement == v1alpha1.EnforcementAudit { // It has nothing put in place.
		return ofPolicies(profile)
	}
	return append(p.ofObjects(), ofPolicies(profile)...)
}

// outdated are the obstacles on the way to a report of the profile as it is now.
func (p *Posture) outdated(profile *v1alpha1.SecurityProfile) []obstacle {
	switch r := p.Report; {
	case r == nil:
		return obstacles(inProgress, "Bulwark has not reported on the namespace yet")
	case r.NamespaceUID != p.Namespace.UID:
		return obstacles(inProgress, "the report is on a namespace of that name that is gone")
	case r.Profile != profile.Name:
		return obstacles(inProgress, "the report is on SecurityProfile "+r.Profile)
	case r.ProfileGeneration != profile.Generation:
		return obstacles(inProgress, fmt.Sprintf("the report is on generation %d of the profile, which is at %d",
			r.ProfileGeneration, profile.Generation))
	}
	return nil
}

// ofObjects are the objects that are not as declared, by the report, and what drifted.
func (p *Posture) ofObjects() []obstacle {
	var all []obstacle
	for _, o := range p.Report.Objects {
		waits := inProgress
		switch o.State {
		case v1alpha1.ObjectStateCompliant:
			continue
		case v1alpha1.ObjectStateFailed, v1alpha1.ObjectStateConflict:
			waits = needsHelp
		}
		says := fmt.Sprintf("%s %s is %s", o.Kind, o.Name, o.State)
		if o.Message != "" {
			says += ": " + o.Message
		}
		all = append(all, obstacle{says: says, waits: waits})
	}
	for i := range p.Report.Drift {
		if d := &p.Report.Drift[i]; d.State != v1alpha1.DriftStateCorrected {
			all = append(all, obstacle{says: "drift: " + described(d), waits: inProgress})
		}
	}
	if len(all) == 0 {
		said := condition(p.Report.Status.Conditions, v1alpha1.ConditionReady)
		return obstacles(inProgress, "the report is not ready: "+said)
	}
	return all
}

// ofPolicies are the obstacles on the way to admission policies that are in force, by the profile's
// status.
func ofPolicies(profile *v1alpha1.SecurityProfile) []obstacle {
	if len(admission.Render(profile, admission.Cluster{})) == 0 {
		return nil // It declares none.
	}
	switch said := admission.Said(profile); {
	case admission.InForce(said):
		return nil
	case said.Type == "":
		return obstacles(inProgress, "the profile's status says nothing of its admission policies yet")
	case said.Reason == v1alpha1.ReasonFailed, said.Reason == v1alpha1.ReasonConflicted:
		return obstacles(needsHelp, sentence(&said))
	default:
		return obstacles(inProgress, sentence(&said))
	}
}

// ofProfile is what the profile says for itself where it cannot be carried out.
func ofProfile(profile *v1alpha1.SecurityProfile) []obstacle {
	stalled := meta.FindStatusCondition(profile.Status.Conditions, v1alpha1.ConditionStalled)
	if stalled == nil || stalled.Status != metav1.ConditionTrue || stalled.ObservedGeneration != profile.Generation {
		return nil
	}
	return obstacles(needsHelp, "SecurityProfile "+profile.Name+" is Stalled: "+stalled.Reason+": "+stalled.Message)
}

// condition is a condition as a person reads it.
func condition(all []metav1.Condition, conditionType string) string {
	if c := meta.FindStatusCondition(all, conditionType); c != nil {
		return sentence(c)
	}
	return "it has no condition " + conditionType
}

func sentence(c *metav1.Condition) string {
	return fmt.Sprintf("%s is %s: %s: %s", c.Type, c.Status, c.Reason, c.Message)
}
