// Package policies knows how the admission policies of a profile, and their bindings, are kept as
// the profile declares them. From top to bottom:
//
//	Keeper   the steps of a pass over the policies of one profile, and of their removal
//	Pass     what such a pass begins with
//	States   what the passes found, for those that follow and for the status of the profile
//	Await    which profiles that are being deleted a pass waits for, and how long
//	reader   reads policies, also those that the caches lack
//
// It may import rooms of the floors below. It must never write a status, and never emit an event or
// a metric: its steps return what became of each drift.
package policies
