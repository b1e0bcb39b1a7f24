// Package podscan knows the pods of a namespace: how to read them page by page, what they violate
// of what a profile declares, and when to read them next. From top to bottom:
//
//	Schedule   when the pods of each namespace are scanned next
//	Scanner    reads pods, and asks the API server by a dry run what it would say of a level
//	Seen       what one scan has seen: violations of the level, and broken rules for pods
//	Rules      the rules of profiles, compiled once
//
// It may import the pure packages and internal/clusteraccess. It must never write to the cluster,
// nor decide what becomes of what it has seen; its callers say what time it is.
package podscan
