package clusteraccess

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
	// smallFrame is how large an event of a watch may be that is passed on as it comes, before
	// anybody looks at it.
	smallFrame = 16 << 10
	// largestFrame is what client-go reads at most. What is larger is passed on, for it to
	// complain.
	largestFrame = 16 << 20
	headerBytes  = 4
	// sourceBuffer is how much of a stream is read at a time.
	sourceBuffer = 4 << 10
)

// boundedTransport trims the events of a watch as they arrive. A watch's decoder would keep a
// buffer of the size of its largest event for as long as the watch lasts, and leave as much garbage
// with each.
type boundedTransport struct {
	http.RoundTripper
	desired *Desired
	reading *Reading
}

// RoundTrip answers a watch in protobuf with trimmed events, and all else as it is.
func (t *boundedTransport) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := t.RoundTripper.RoundTrip(request)
	if err != nil {
		return response, err
	}
	content := response.Header.Get("Content-Type")
	if strings.HasPrefix(content, runtime.ContentTypeProtobuf) && strings.Contains(content, "stream=watch") {
		response.Body = newFrames(response.Body, t.desired, t.reading)
	}
	return response, nil
}

// frames is a stream of events, each after its length in four bytes.
type frames struct {
	io.Closer
	source  *bufio.Reader
	trimmer wire.Trimmer
	reading *Reading

	pending []byte // what is still to be passed on, before what comes
	passing int    // how much of what comes is passed on as it is
}

func newFrames(of io.ReadCloser, desired *Desired, reading *Reading) *frames {
	labels := []string{v1alpha1.ManagedByLabel, v1alpha1.ProfileLabel}
	return &frames{
		Closer: of, source: bufio.NewReaderSize(of, sourceBuffer),
		trimmer: wire.Trimmer{Cut: desired.cut, Labels: labels}, reading: reading,
	}
}

// Read passes on whole events or parts of them.
func (f *frames) Read(into []byte) (int, error) {
	if len(f.pending) == 0 && f.passing == 0 {
		if err := f.next(); err != nil {
			return 0, err
		}
	}
	if len(f.pending) > 0 {
		n := copy(into, f.pending)
		if f.pending = f.pending[n:]; len(f.pending) == 0 {
			f.pending = nil // So that it is not held until the next event.
		}
		return n, nil
	}
	n, err := f.source.Read(into[:min(len(into), f.passing)])
	f.passing -= n
	return n, err
}

// next reads the length of the next event, and what is kept of the event itself if it is large.
func (f *frames) next() error {
	var header [headerBytes]byte
	if _, err := io.ReadFull(f.source, header[:]); err != nil {
		return err
	}
	size := int(binary.BigEndian.Uint32(header[:]))
	f.reading.add(size)
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
