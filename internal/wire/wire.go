// Package wire knows how the API server writes objects in protobuf, as far as it takes to leave an
// object's content out before it is decoded: two bytes of a list can become fifty of memory. It is
// pure and imports the protobuf library only. It must never decide which content is left out.
package wire

import (
	"bytes"
	"strconv"

	"google.golang.org/protobuf/encoding/protowire"
)

// prefix begins each object; an envelope that names the kind follows.
var prefix = []byte("k8s\x00")

// Fields of the messages, as Kubernetes numbers them.
const (
	envelopeType = 1 // runtime.Unknown
	envelopeRaw  = 2
	envelopeNote = 3 // its content encoding, which the API server leaves empty
	typeKind     = 2 // runtime.TypeMeta
	metadata     = 1 // of each object and of each list
	listItems    = 2
	metaName     = 1 // metav1.ObjectMeta
)

// Object is what is read of an object before it is decoded.
type Object struct {
	Kind, Name string
	// ContentBytes is how large everything is beside the metadata.
	ContentBytes int
}

// Cut says which fields of an object are to be left out by their number, and whether that leaves
// content out.
type Cut struct {
	Drop    func(field int32, bytes int) bool // nil is none
	LeftOut bool
}

// Trim leaves out of an object what the cut drops. Of a list it does so with each item. It returns
// the object to decode, and for each item, or for the one object, how many bytes of content were
// left out; 0 is none. Data that are not protobuf, or no object, are returned as they came.
func Trim(data []byte, cut func(Object) Cut) (trimmed []byte, leftOut []int) {
	if !bytes.HasPrefix(data, prefix) {
		return data, nil
	}
	envelope := data[len(prefix):]
	if note, noted := bytes.CutPrefix(value(envelope, envelopeNote), leftOutNote); noted {
		n, _ := strconv.Atoi(string(note)) // TrimEvent has written it.
		return data, []int{n}
	}
	kind := string(value(value(envelope, envelopeType), typeKind))
	raw := value(envelope, envelopeRaw)
	var body []byte
	if item, isList := bytes.CutSuffix([]byte(kind), []byte("List")); isList {
		body, leftOut = trimItems(raw, string(item), cut)
	} else {
		var n int
		body, n = trimObject(raw, kind, cut)
		leftOut = []int{n}
	}
	if len(body) == len(raw) {
		return data, leftOut
	}
	out := append([]byte(nil), prefix...)
	each(envelope, func(field protowire.Number, whole, _ []byte) {
		if field == envelopeRaw {
			out = appendField(out, envelopeRaw, body)
		} else {
			out = append(out, whole...)
		}
	})
	return out, leftOut
}

// ContentBytes is how large an object is beside its metadata, written without an envelope.
func ContentBytes(raw []byte) int {
	n := 0
	each(raw, func(field protowire.Number, whole, _ []byte) {
		if field != metadata {
			n += len(whole)
		}
	})
	return n
}

func trimItems(raw []byte, kind string, cut func(Object) Cut) (body []byte, leftOut []int) {
	body = make([]byte, 0, len(raw))
	each(raw, func(field protowire.Number, whole, item []byte) {
		if field != listItems {
			body = append(body, whole...)
			return
		}
		item, n := trimObject(item, kind, cut)
		body, leftOut = appendField(body, listItems, item), append(leftOut, n)
	})
	return body, leftOut
}

// trimObject returns the object as it came unless something is dropped.
func trimObject(raw []byte, kind string, cut func(Object) Cut) (body []byte, leftOut int) {
	o := Object{Kind: kind, Name: string(value(value(raw, metadata), metaName)), ContentBytes: ContentBytes(raw)}
	c := cut(o)
	if c.LeftOut {
		leftOut = o.ContentBytes
	}
	if c.Drop == nil {
		return raw, leftOut
	}
	sizes := map[protowire.Number]int{} // A list is a field for each item.
	each(raw, func(field protowire.Number, whole, _ []byte) { sizes[field] += len(whole) })
	dropped := 0
	for field, size := range sizes {
		if field != metadata && c.Drop(int32(field), size) {
			dropped += size
		}
	}
	if dropped == 0 {
		return raw, leftOut
	}
	body = make([]byte, 0, len(raw)-dropped)
	each(raw, func(field protowire.Number, whole, _ []byte) {
		if field == metadata || !c.Drop(int32(field), sizes[field]) {
			body = append(body, whole...)
		}
	})
	return body, leftOut
}

func appendField(out []byte, field protowire.Number, value []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(out, field, protowire.BytesType), value)
}

// value is that of the last field of this number that holds bytes.
func value(message []byte, field protowire.Number) (found []byte) {
	each(message, func(number protowire.Number, _, value []byte) {
		if number == field && value != nil {
			found = value
		}
	})
	return found
}

// each visits the fields of a message: each whole, and the bytes that it holds, nil if it is a
// number. It ends where the message is broken, and the decoder then says so.
func each(message []byte, visit func(field protowire.Number, whole, value []byte)) {
	for len(message) > 0 {
		field, wireType, n := protowire.ConsumeTag(message)
		if n < 0 {
			return
		}
		m := protowire.ConsumeFieldValue(field, wireType, message[n:])
		if m < 0 {
			return
		}
		var value []byte
		if wireType == protowire.BytesType {
			value, _ = protowire.ConsumeBytes(message[n:])
		}
		visit(field, message[:n+m], value)
		message = message[n+m:]
	}
}
