package wire

import (
	"bufio"
	"errors"
	"fmt"
	"io"

	"google.golang.org/protobuf/encoding/protowire"
)

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

// span is where fields of one number end, in what is kept.
type span struct {
	number protowire.Number
	end    int
}

// fields are those that are kept of a message.
type fields struct {
	kept    []byte
	spans   []span
	totals  map[protowire.Number]int
	dropped map[protowire.Number]bool
}

// readFields reads fields of so many bytes together, and keeps those that it is told to by a
// function, which learns how many bytes those of its number take up to this one.
func readFields(from *bufio.Reader, size int, judge func(f field, total int) verdict) ([]byte, error) {
	r := &fields{totals: map[protowire.Number]int{}, dropped: map[protowire.Number]bool{}}
	for size > 0 {
		f, err := nextField(from, size)
		if err != nil {
			return nil, err
		}
		whole := f.header + f.value
		size -= whole
		r.totals[f.number] += whole
		if r.verdictOn(f, judge) == keep {
			err = r.keep(from, f.number, whole)
		} else {
			_, err = from.Discard(whole)
		}
		if err != nil {
			return nil, inside(err)
		}
	}
	return r.remaining(), nil
}

func (r *fields) verdictOn(f field, judge func(f field, total int) verdict) verdict {
	if r.dropped[f.number] {
		return dropAll
	}
	v := judge(f, r.totals[f.number])
	r.dropped[f.number] = v == dropAll
	return v
}

func (r *fields) keep(from io.Reader, number protowire.Number, whole int) error {
	begin := len(r.kept)
	r.kept = append(r.kept, make([]byte, whole)...)
	if n := len(r.spans); n > 0 && r.spans[n-1].number == number {
		r.spans[n-1].end = len(r.kept)
	} else {
		r.spans = append(r.spans, span{number, len(r.kept)})
	}
	_, err := io.ReadFull(from, r.kept[begin:])
	return err
}

// remaining is what was kept of numbers of which nothing came to be dropped with all of its number.
func (r *fields) remaining() []byte {
	out, begin := r.kept[:0], 0
	for _, s := range r.spans {
		if !r.dropped[s.number] {
			out = append(out, r.kept[begin:s.end]...)
		}
		begin = s.end
	}
	return out
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
