// Package correction knows how drift is ended: which write does it, in which order, and when a
// correction waits. There is one engine for all that Bulwark keeps: namespaced objects, objects
// that others have a part in, and cluster-scoped admission policies.
//
// It may import packages of its own floor and pure ones. It must never decide what is declared, and
// never emit an event or a metric: it returns outcomes and notices.
package correction
