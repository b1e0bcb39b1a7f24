// Package inventory knows how to find what a cluster holds of Bulwark's:
//
//  1. the profiles, and the reports by namespace or by profile,
//  2. the objects that bear a profile's label, cached or not,
//  3. the objects that were in place by the last report and are unlabelled now.
//
// It may import the pure rooms and the other rooms of internal/clusteraccess. It must never write,
// and never decide what becomes of an object.
package inventory
