package wire

import (
	"bufio"
	"bytes"
	"strconv"

	"google.golang.org/protobuf/encoding/protowire"
)

// Trimmer says what of an event is kept as it is read.
type Trimmer struct {
	// Cut is what of the content is left out. Its Drop must hold for more bytes where it holds for
	// fewer.
	Cut func(Object) Cut
	// Labels are the keys that are kept, however many labels there are.
	Labels []string
}

// Bounds on the fields of metadata. Of labels, annotations, owners and finalizers the first are
// kept; who manages which field is known as a whole or not at all.
const (
	maxMetadataField = 16 << 10
	maxManagers      = 64 << 10
	metaLabels       = 11
	metaManagers     = 17
	labelKey         = 1
)

const (
	// openingBytes is how many bytes of an event are looked at before it is read: what comes before
	// an object's metadata is some dozens.
	openingBytes = 512
	// fieldBytes is at least as many as the number and the length of a field take, and a whole
	// number.
	fieldBytes = 2 * 10
	// entryBytes is at least as many as a label takes.
	entryBytes = 1 << 10
)

// ReadEvent reads an event of so many bytes and leaves out of it, as it is read, what the cut
// drops, so that it is never held. The event then says so as of TrimEvent. An event that is not
// written as the API server does is read whole.
func (t Trimmer) ReadEvent(from *bufio.Reader, size int) ([]byte, error) {
	peeked, err := from.Peek(min(size, openingBytes))
	if err != nil {
		return nil, inside(err)
	}
	o, ok := parseOpening(peeked, size)
	if !ok {
		event, err := readBytes(from, size)
		if err != nil {
			return nil, err
		}
		return TrimEvent(event, t.Cut), nil
	}
	if _, err := from.Discard(o.bytes); err != nil {
		return nil, inside(err)
	}
	body, leftOut, err := t.readObject(from, o.object, o.kind)
	if err != nil {
		return nil, err
	}
	envelope := append(append([]byte(nil), prefix...), o.envelope...)
	envelope = appendField(envelope, envelopeRaw, body)
	rest, err := readBytes(from, o.rest)
	if err != nil {
		return nil, err
	}
	if envelope = append(envelope, rest...); len(body) < o.object {
		envelope = appendField(envelope, envelopeNote, strconv.AppendInt(bytes.Clone(leftOutNote), int64(leftOut), 10))
	}
	return appendField(o.event, eventObject, appendField(nil, extensionRaw, envelope)), nil
}

// opening is how an event begins.
type opening struct {
	event, envelope []byte // the fields before the object, of each
	kind            string
	bytes           int // of the opening itself
	object, rest    int // bytes of the object after it, and of the envelope after that
}

// parseOpening is false unless the event holds nothing after the object but the end of its
// envelope, and the object begins with its metadata.
func parseOpening(peeked []byte, size int) (o opening, ok bool) {
	c := &cursor{left: peeked, size: size, all: len(peeked)}
	if o.event = c.field(eventType); o.event == nil {
		return o, false
	}
	if n := c.enter(eventObject); n != size-c.at() {
		return o, false
	}
	if n := c.enter(extensionRaw); n != size-c.at() || !bytes.HasPrefix(c.left, prefix) {
		return o, false
	}
	c.left = c.left[len(prefix):]
	if o.envelope = c.field(envelopeType); o.envelope == nil {
		return o, false
	}
	o.kind = string(value(value(o.envelope, envelopeType), typeKind))
	o.object = c.enter(envelopeRaw)
	o.bytes, o.rest = c.at(), size-c.at()-o.object
	number, _, n := protowire.ConsumeTag(c.left)
	return o, o.object > 0 && o.rest >= 0 && n > 0 && number == metadata
}

// cursor goes through the beginning of an event of some size.
type cursor struct {
	left      []byte
	size, all int
}

func (c *cursor) at() int { return c.all - len(c.left) }

// enter is how long the value of the next field is, before which it stands then; less than nothing
// if it is another field.
func (c *cursor) enter(field protowire.Number) (length int) {
	number, wireType, n := protowire.ConsumeTag(c.left)
	if n < 0 || number != field || wireType != protowire.BytesType {
		return -1
	}
	l, m := protowire.ConsumeVarint(c.left[n:])
	if m < 0 || l > uint64(c.size) { //nolint:gosec // A size is no less than 0.
		return -1
	}
	c.left = c.left[n+m:]
	return int(l) //nolint:gosec // It is no larger than the size.
}

// field is a copy of the next field as a whole; nil if it is another.
func (c *cursor) field(number protowire.Number) []byte {
	from := c.left
	n := c.enter(number)
	if n < 0 || n > len(c.left) {
		return nil
	}
	c.left = c.left[n:]
	return bytes.Clone(from[:len(from)-len(c.left)])
}

// readObject reads an object of so many bytes, and is how many of its content are left out.
func (t Trimmer) readObject(from *bufio.Reader, size int, kind string) (body []byte, leftOut int, err error) {
	f, err := nextField(from, size)
	if err != nil {
		return nil, 0, err
	}
	if _, err := from.Discard(f.header); err != nil {
		return nil, 0, inside(err)
	}
	meta, err := readFields(from, f.value, t.keepMetadata)
	if err != nil {
		return nil, 0, err
	}
	body = appendField(nil, metadata, meta)
	content := size - f.header - f.value
	c := t.Cut(Object{Kind: kind, Name: string(value(meta, metaName)), ContentBytes: content})
	if c.LeftOut {
		leftOut = content
	}
	rest, err := readFields(from, content, func(f field, total int) verdict {
		if f.number != metadata && c.Drop != nil && c.Drop(int32(f.number), total) {
			return dropAll
		}
		return keep
	})
	return append(body, rest...), leftOut, err
}

func (t Trimmer) keepMetadata(f field, total int) verdict {
	switch {
	case f.number == metaManagers && total > maxManagers:
		return dropAll
	case f.number == metaManagers || total <= maxMetadataField:
		return keep
	case f.number == metaLabels:
		key := string(value(f.begin, labelKey))
		for _, kept := range t.Labels {
			if key == kept {
				return keep
			}
		}
	}
	return drop
}
