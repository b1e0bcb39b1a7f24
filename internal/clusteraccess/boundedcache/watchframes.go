package boundedcache

import (
	"bufio"
	"encoding/binary"
	"io"
	"net/http"
	"strings"

	"k8s.io/apimachinery/pkg/runtime"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/wire"
)

const (
	// smallFrame is how large a watch event may be that is passed on without a look at its object.
	smallFrame = 16 << 10
	// largestFrame is the largest event that client-go reads. A larger one is passed on, so that
	// client-go returns its own error.
	largestFrame = 16 << 20
	headerBytes  = 4
	// sourceBuffer is how much of a stream is read at a time.
	sourceBuffer = 4 << 10
)

// watchTrimmer is a transport that trims watch events as they arrive. A watch's decoder would keep
// a buffer of the size of its largest event for as long as the watch lasts, and leave as much
// garbage with each event.
type watchTrimmer struct {
	http.RoundTripper
	desired *Desired
	read    *BytesRead
}

// RoundTrip trims the events of a watch in protobuf, and returns any other response unchanged.
func (t *watchTrimmer) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := t.RoundTripper.RoundTrip(request)
	if err != nil {
		return response, err
	}
	content := response.Header.Get("Content-Type")
	if strings.HasPrefix(content, runtime.ContentTypeProtobuf) && strings.Contains(content, "stream=watch") {
		response.Body = newWatchFrames(response.Body, t.desired, t.read)
	}
	return response, nil
}

// watchFrames reads a stream of events, each preceded by its length in four bytes.
type watchFrames struct {
	io.Closer
	source  *bufio.Reader
	trimmer wire.Trimmer
	read    *BytesRead

	pending []byte // what Read returns before it reads on from the source
	passing int    // how many bytes of the source Read then returns unchanged
}

func newWatchFrames(of io.ReadCloser, desired *Desired, read *BytesRead) *watchFrames {
	labels := []string{v1alpha1.ManagedByLabel, v1alpha1.ProfileLabel}
	return &watchFrames{
		Closer: of, source: bufio.NewReaderSize(of, sourceBuffer),
		trimmer: wire.Trimmer{Cut: desired.cut, Labels: labels}, read: read,
	}
}

// Read returns whole events or parts of them.
func (f *watchFrames) Read(into []byte) (int, error) {
	if len(f.pending) == 0 && f.passing == 0 {
		if err := f.next(); err != nil {
			return 0, err
		}
	}
	if len(f.pending) > 0 {
		n := copy(into, f.pending)
		if f.pending = f.pending[n:]; len(f.pending) == 0 {
			f.pending = nil // So that it can be collected before the next event.
		}
		return n, nil
	}
	n, err := f.source.Read(into[:min(len(into), f.passing)])
	f.passing -= n
	return n, err
}

// next reads the length of the next event. If the event is large, next also reads and trims it.
func (f *watchFrames) next() error {
	var header [headerBytes]byte
	if _, err := io.ReadFull(f.source, header[:]); err != nil {
		return err
	}
	size := int(binary.BigEndian.Uint32(header[:]))
	f.read.add(size)
	if size <= smallFrame || size > largestFrame {
		f.pending, f.passing = header[:], size
		return nil
	}
	event, err := f.trimmer.ReadEvent(f.source, size)
	if err != nil {
		return err
	}
	length := uint32(len(event)) //nolint:gosec // It is hardly larger than it was.
	f.pending = append(binary.BigEndian.AppendUint32(make([]byte, 0, headerBytes+len(event)), length), event...)
	return nil
}
