package boundedcache

import "sync/atomic"

// manyBytes is how many bytes of watch events leave enough garbage for a collection to be worth
// its CPU.
const manyBytes = 16 << 20

// BytesRead counts the bytes that watches have read.
type BytesRead struct {
	bytes atomic.Int64
	many  chan struct{}
}

func newBytesRead() *BytesRead { return &BytesRead{many: make(chan struct{}, 1)} }

// Many signals that many bytes have been read since the last signal.
func (r *BytesRead) Many() <-chan struct{} { return r.many }

func (r *BytesRead) add(bytes int) {
	if r.bytes.Add(int64(bytes)) < manyBytes {
		return
	}
	r.bytes.Store(0)
	select {
	case r.many <- struct{}{}:
	default:
	}
}
