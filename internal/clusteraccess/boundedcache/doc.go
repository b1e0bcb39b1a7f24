// Package boundedcache knows what the operator's caches contain of each object. Their memory grows
// with the baseline, and not with what tenants create:
//
//	object                    cached
//	namespace                 the labels by which profiles may select it
//	SecurityProfile           all except its managed fields
//	report                    what is believed of it, no larger than Bulwark writes it
//	labelled and desired      all, unless it is too large to be what a profile desires
//	labelled and undesired    the metadata, of a bounded number in each namespace
//	any other                 nothing
//
// An object is labelled if it bears Bulwark's label, and desired if a profile desires one of its
// kind and name. Cached objects lack the fields that are never compared, and share equal values.
//
// The package may import pure packages (floor 1), internal/reportmemory and
// internal/clusteraccess. It must never decide what becomes of a namespace, and never write to the
// cluster.
package boundedcache
