package wire

import (
	"strconv"

	"google.golang.org/protobuf/encoding/protowire"
)

// Fields of metav1.WatchEvent, and of the runtime.RawExtension in it.
const (
	eventType    = 1
	eventObject  = 2
	extensionRaw = 1
)

// leftOutNote begins what TrimEvent notes in an object's envelope, where nothing of the object
// itself is.
var leftOutNote = []byte("bytes-left-out=")

// TrimEvent leaves out of the object of an event what the cut drops, and notes in its envelope how
// much that is, for Trim. An event of which nothing is dropped is returned as it came.
func TrimEvent(event []byte, cut func(Object) Cut) []byte {
	object := value(value(event, eventObject), extensionRaw)
	trimmed, leftOut := Trim(object, cut)
	if len(trimmed) == len(object) {
		return event
	}
	if len(leftOut) == 1 {
		note := strconv.AppendInt(append([]byte(nil), leftOutNote...), int64(leftOut[0]), 10)
		trimmed = appendField(trimmed, envelopeNote, note)
	}
	var out []byte
	each(event, func(field protowire.Number, whole, _ []byte) {
		if field == eventObject {
			out = appendField(out, eventObject, appendField(nil, extensionRaw, trimmed))
		} else {
			out = append(out, whole...)
		}
	})
	return out
}
