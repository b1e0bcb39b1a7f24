package clusteraccess

import (
	"encoding/binary"
	"io"
	"net/http"
	"strings"
	"sync"

	"k8s.io/apimachinery/pkg/runtime"

	"github.com/bulwark-dev/bulwark/internal/wire"
)

const (
	// smallFrame is how large an event of a watch may be that is passed on as it comes, before anybody looks at it.
	smallFrame = 16 << 10
	// largestFrame is what client-go reads at most. What is larger is passed on, for it to complain.
	largestFrame = 16 << 20
	headerBytes  = 4
)

// boundedTransport trims the events of a watch as they arrive. A watch's decoder would keep a buffer of the size of its
// largest event for as long as the watch lasts, and leave as much garbage with each.
type boundedTransport struct {
	http.RoundTripper
	desired *Desired
	buffers *sync.Pool // of *[]byte
}

func newBoundedTransport(next http.RoundTripper, desired *Desired) http.RoundTripper {
	return &boundedTransport{next, desired, &sync.Pool{New: func() any { return new([]byte) }}}
}

// RoundTrip answers a watch in protobuf with trimmed events, and all else as it is.
func (t *boundedTransport) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := t.RoundTripper.RoundTrip(request)
	if err != nil {
		return response, err
	}
	content := response.Header.Get("Content-Type")
	if strings.HasPrefix(content, runtime.ContentTypeProtobuf) && strings.Contains(content, "stream=watch") {
		response.Body = &frames{ReadCloser: response.Body, cut: t.desired.cut, buffers: t.buffers}
	}
	return response, nil
}

// frames is a stream of events, each after its length in four bytes.
type frames struct {
	io.ReadCloser
	cut     func(wire.Object) wire.Cut
	buffers *sync.Pool

	header  [headerBytes]byte
	pending [][]byte // what is still to be passed on, before what comes
	passing int      // how much of what comes is passed on as it is
	buffer  *[]byte  // what pending may be a part of
}

// Read passes on whole events or parts of them.
func (f *frames) Read(into []byte) (int, error) {
	if len(f.pending) == 0 && f.passing == 0 {
		if err := f.next(); err != nil {
			return 0, err
		}
	}
	if len(f.pending) > 0 {
		n := copy(into, f.pending[0])
		if f.pending[0] = f.pending[0][n:]; len(f.pending[0]) == 0 {
			if f.pending = f.pending[1:]; len(f.pending) == 0 {
				f.release()
			}
		}
		return n, nil
	}
	n, err := f.ReadCloser.Read(into[:min(len(into), f.passing)])
	f.passing -= n
	return n, err
}

// next reads the length of the next event, and the event itself if it is large.
func (f *frames) next() error {
	if _, err := io.ReadFull(f.ReadCloser, f.header[:]); err != nil {
		return err
	}
	f.pending = [][]byte{f.header[:]}
	size := int(binary.BigEndian.Uint32(f.header[:]))
	if size <= smallFrame || size > largestFrame {
		f.passing = size
		return nil
	}
	f.buffer = f.buffers.Get().(*[]byte)
	if cap(*f.buffer) < size {
		*f.buffer = make([]byte, size)
	}
	event := (*f.buffer)[:size]
	if _, err := io.ReadFull(f.ReadCloser, event); err != nil {
		f.release()
		return err
	}
	event = wire.TrimEvent(event, f.cut)
	binary.BigEndian.PutUint32(f.header[:], uint32(len(event))) //nolint:gosec // It is no larger than it was.
	f.pending = append(f.pending, event)
	return nil
}

func (f *frames) release() {
	if f.buffer != nil {
		f.buffers.Put(f.buffer)
		f.buffer = nil
	}
}
