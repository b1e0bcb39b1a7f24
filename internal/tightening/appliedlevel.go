package tightening

// AppliedLevel is the stricter Pod Security level that a pass put in place, if it did.
type AppliedLevel struct {
	// Tightened is set if the pass put one in place.
	Tightened bool
	// Warnings are what the API server then warned of.
	Warnings []string
}
