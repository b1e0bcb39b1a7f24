package wire

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"

	"google.golang.org/protobuf/encoding/protowire"
)

// Trimmer says what of an event is kept as it is read.
type Trimmer struct {
	// Cut is what of the content is left out. Its Drop must hold for more bytes where it holds for fewer.
	Cut func(Object) Cut
	// Labels are the keys that are kept, however many labels there are.
	Labels []string
}

// Bounds on the fields of metadata. Of labels, annotations, owners and finalizers the first are kept; who manages which
// field is known as a whole or not at all.
const (
	maxMetadataField = 16 << 10
	maxManagers      = 64 << 10
	metaLabels       = 11
	metaManagers     = 17
	labelKey         = 1
)

const (
	// openingBytes is how many bytes of an event are looked at before it is read: what comes before an object's metadata
	// is some dozens.
	openingBytes = 512
	// fieldBytes is at least as many as the number and the length of a field take, and a whole number.
	fieldBytes = 2 * 10
	// entryBytes is at least as many as a label takes.
	entryBytes = 1 << 10
)

// ReadEvent reads an event of so many bytes and leaves out of it, as it is read, what the cut drops, so that it is never
// held. The event then says so as of TrimEvent. An event that is not written as the API server does is read whole.
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

// parseOpening is false unless the event holds nothing after the object but the end of its envelope, and the object
// begins with its metadata.
func parseOpening(peeked []byte, size int) (o opening, ok bool) {
	left := peeked
	enter := func(field protowire.Number) (length int) {
		number, wireType, n := protowire.ConsumeTag(left)
		if n < 0 || number != field || wireType != protowire.BytesType {
			return -1
		}
		l, m := protowire.ConsumeVarint(left[n:])
		if m < 0 || l > uint64(size) { //nolint:gosec // A size is no less than 0.
			return -1
		}
		left = left[n+m:]
		return int(l) //nolint:gosec // It is no larger than the size.
	}
	at := func() int { return len(peeked) - len(left) }
	field := func(number protowire.Number) []byte {
		begin := at()
		if n := enter(number); n >= 0 && n <= len(left) {
			left = left[n:]
			return bytes.Clone(peeked[begin:at()])
		}
		return nil
	}
	if o.event = field(eventType); o.event == nil {
		return o, false
	}
	if n := enter(eventObject); n != size-at() {
		return o, false
	}
	if n := enter(extensionRaw); n != size-at() || !bytes.HasPrefix(left, prefix) {
		return o, false
	}
	left = left[len(prefix):]
	if o.envelope = field(envelopeType); o.envelope == nil {
		return o, false
	}
	o.kind = string(value(value(o.envelope, envelopeType), typeKind))
	o.object = enter(envelopeRaw)
	o.bytes, o.rest = at(), size-at()-o.object
	number, _, n := protowire.ConsumeTag(left)
	return o, o.object > 0 && o.rest >= 0 && n > 0 && number == metadata
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

// verdict is what becomes of a field.
type verdict int

const (
	keep    verdict = iota
	drop            // this one
	dropAll         // this one and all of its number
)

// field is one that is about to be read.
type field struct {
	number        protowire.Number
	header, value int    // bytes
	begin         []byte // of the value, in the reader's buffer
}

// readFields reads fields of so many bytes together, and keeps those that it is told to by a function, which learns how
// many bytes those of its number take up to this one.
func readFields(from *bufio.Reader, size int, judge func(f field, total int) verdict) ([]byte, error) {
	type span struct {
		number protowire.Number
		end    int
	}
	var kept []byte
	var spans []span
	totals, dropped := map[protowire.Number]int{}, map[protowire.Number]bool{}
	again := false // Something kept is of a number that is dropped.
	for size > 0 {
		f, err := nextField(from, size)
		if err != nil {
			return nil, err
		}
		whole := f.header + f.value
		size -= whole
		before := totals[f.number]
		totals[f.number] += whole
		v := dropAll
		if !dropped[f.number] {
			v = judge(f, totals[f.number])
		}
		if v == dropAll && !dropped[f.number] {
			dropped[f.number], again = true, again || before > 0
		}
		if v != keep {
			if _, err := from.Discard(whole); err != nil {
				return nil, inside(err)
			}
			continue
		}
		begin := len(kept)
		kept = append(kept, make([]byte, whole)...)
		if _, err := io.ReadFull(from, kept[begin:]); err != nil {
			return nil, inside(err)
		}
		if n := len(spans); n > 0 && spans[n-1].number == f.number {
			spans[n-1].end = len(kept)
		} else {
			spans = append(spans, span{f.number, len(kept)})
		}
	}
	if !again {
		return kept, nil
	}
	out, begin := make([]byte, 0, len(kept)), 0
	for _, s := range spans {
		if !dropped[s.number] {
			out = append(out, kept[begin:s.end]...)
		}
		begin = s.end
	}
	return out, nil
}

var errBroken = errors.New("an event of a watch is broken")

// nextField looks at the next field, of which no more than so many bytes may be there.
func nextField(from *bufio.Reader, left int) (field, error) {
	peeked, err := from.Peek(min(left, fieldBytes+entryBytes, from.Size()))
	if err != nil {
		return field{}, inside(err)
	}
	number, wireType, n := protowire.ConsumeTag(peeked)
	if n < 0 {
		return field{}, errBroken
	}
	f := field{number: number, header: n}
	if wireType == protowire.BytesType {
		length, m := protowire.ConsumeVarint(peeked[n:])
		if m < 0 || length > uint64(left) { //nolint:gosec // What is left is no less than 0.
			return field{}, errBroken
		}
		f.header, f.value = n+m, int(length) //nolint:gosec // It is no more than what is left.
		f.begin = peeked[f.header:min(len(peeked), f.header+f.value)]
	} else if f.value = protowire.ConsumeFieldValue(number, wireType, peeked[n:]); f.value < 0 {
		return field{}, errBroken
	}
	if f.header+f.value > left {
		return field{}, errBroken
	}
	return f, nil
}

func readBytes(from io.Reader, n int) ([]byte, error) {
	out := make([]byte, n)
	if _, err := io.ReadFull(from, out); err != nil {
		return nil, inside(err)
	}
	return out, nil
}

// inside is the error of a stream that ends where it must not.
func inside(err error) error {
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("reading an event of a watch: %w", err)
}
