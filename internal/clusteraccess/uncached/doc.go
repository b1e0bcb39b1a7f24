// Package uncached knows how to read what the caches lack of the objects that bear Bulwark's label:
// the content of large objects, and undesired objects beyond the number that is cached.
//
// It may import internal/clusteraccess, boundedcache beside it, and pure packages. It must never write to the
// cluster, nor decide what becomes of the objects that it reads.
package uncached
