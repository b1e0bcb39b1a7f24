package release

import (
	"time"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/events"
)

// Results are what a step came to.
type Results struct {
	// Report is what the last report has become.
	Report *v1alpha1.NamespacePosture
	// Wait is how long it is until the rest may be released; zero if nothing is left to wait for.
	Wait time.Duration
	// Notices are to be told, also if the step failed.
	Notices []events.Addressed
	// Contested are to be counted as contested.
	Contested []Contested
}

// Contested is an object that somebody makes again each time it is released.
type Contested struct {
	// Profile is the profile whose label the object bears; empty if there is no such profile.
	Profile string
	// Kind is the kind of the object.
	Kind string
}
