package clusteraccess

import "sync/atomic"

// muchBytes is after how many bytes of events the garbage that they left is worth a collection.
const muchBytes = 16 << 20

// Reading counts what watches have read.
type Reading struct {
	bytes atomic.Int64
	much  chan struct{}
}

func newReading() *Reading { return &Reading{much: make(chan struct{}, 1)} }

// Much tells when much has been read since it told last.
func (r *Reading) Much() <-chan struct{} { return r.much }

func (r *Reading) add(bytes int) {
	if r.bytes.Add(int64(bytes)) < muchBytes {
		return
	}
	r.bytes.Store(0)
	select {
	case r.much <- struct{}{}:
	default:
	}
}
