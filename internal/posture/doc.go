// Package posture knows what the report on a namespace says, and what a profile's status is by the
// reports. From top to bottom:
//
//	Pass, Memory   what is known of a namespace before a reconcile of it, and what the last report remembers
//	Deferrals      what is deferred, since it would refuse what runs
//	Assemble       the report of what a pass found and did
//	Summarize      the status of a profile by its reports; Joins: which namespaces joined it lately
//	Key, Believed  which reports Bulwark wrote itself, and what of any other can be true
//
// It imports pure packages only (baseline, drift, admission, findings, counting, selection, printable), and no
// client, context, clock or logger: whoever calls it says what time it is. It must never write a
// report or a status, and must never tell an event.
package posture
