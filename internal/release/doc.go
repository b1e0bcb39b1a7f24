// Package release knows how Bulwark leaves what it has made:
//
//  1. a namespace that no profile governs any more, or only one that audits (Namespaces),
//  2. a namespace that bears a profile's label and was never governed by it (Namespaces),
//  3. a profile that is being deleted: what remains of it, and why its deletion stands still
//     (Profiles, Standstills).
//
// It may import rooms of the floors below. It must never decide which profile governs a namespace,
// and never emit an event or a metric: its steps return them.
package release
