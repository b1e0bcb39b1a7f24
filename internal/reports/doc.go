// Package reports knows how the report of a namespace (its NamespacePosture) is written, taken back
// if somebody else wrote it, and deleted whatever finalizers somebody has put on it.
//
// It may import rooms of its own floor and pure ones. It must never decide what a report says, nor
// emit an event: it returns notices.
package reports
