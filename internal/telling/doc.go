// Package telling knows what is told of a pass, and to whom: the events on a namespace, its profile
// and its policies, and the metrics. It tells nothing twice.
//
// It may import rooms of the floors below. It must never read or write anything of a cluster but
// events, and never decide what a pass does.
package telling
