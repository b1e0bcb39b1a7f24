// Package gather knows which facts the findings in a namespace are judged by, and where they come
// from:
//
//  1. unmanaged objects, which are watched,
//  2. the pass over the namespace: what it wrote, what stays in its way, what it binds,
//  3. Services and pods, which are read when it is time to.
//
// It may import rooms of its own floor and those below. It must never write to a cluster, and never
// judge: internal/findings does.
package gather
