// Package breakglass knows what a change of an object that tamper protection guards proves about
// who made it. It imports no client and asks no clock, and must never take the name of a field manager,
// which each client chooses for itself, for that of a person.
package breakglass

import (
	"time"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
)

// Verdict is what is told of a change.
type Verdict int

const (
	// Unguarded is a change that the API server may have admitted from anybody: nothing is told.
	Unguarded Verdict = iota
	// Unproven is one that it should have refused, and nothing tells who made it.
	Unproven
	// Used is one that it admits from nobody but those who may break glass, and from parts of
	// Kubernetes.
	Used
)

// ForceDelay is how long it may take until every API server has heard of a policy.
const ForceDelay = 10 * time.Second

// Change is how the operator came to know that something guarded was changed.
type Change struct {
	// Heard is when the operator heard of it.
	Heard time.Time
	// InForce is since when the policies that guard it have been as they are.
	InForce time.Time
	// Watched says that the operator had looked at the namespace before, so that the change came
	// while it ran. An earlier change may have come while somebody had taken the policies away.
	Watched bool
}

// Judge says what a change proves, and in words why it does not prove more.
//
//	in force for ForceDelay | somebody may break glass | watched | verdict
//	------------------------|--------------------------|---------|----------
//	no                      | either                   | either  | Unguarded
//	yes                     | no                       | either  | Unproven
//	yes                     | yes                      | no      | Unproven
//	yes                     | yes                      | yes     | Used
func (c Change) Judge(p *v1alpha1.Protection) (Verdict, string) {
	switch {
	case p == nil || p.Tamper != v1alpha1.ProhibitionForbid || c.Heard.Sub(c.InForce) < ForceDelay:
		return Unguarded, ""
	case len(p.BreakGlassGroups)+len(p.BreakGlassUsers) == 0:
		return Unproven, "the profile names nobody who may break glass"
	case !c.Watched:
		return Unproven, "it came before the operator had looked at the namespace, " +
			"and may have come while the policies were not in force"
	}
	return Used, ""
}
