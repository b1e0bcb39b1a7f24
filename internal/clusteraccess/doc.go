// Package clusteraccess knows how the operator talks to the API server: page by page, with bounded
// responses, and with reads that see its own writes. Three packages beneath it know what the caches
// contain (boundedcache), how what they lack is read (uncached), and how profiles, reports and
// labelled objects are found (inventory).
//
// It may import Kubernetes' client libraries only. It must never know what Bulwark manages, nor
// decide what is done with an object.
package clusteraccess
