package boundedcache

import (
	"fmt"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/internal/wire"
)

// cut returns the parts of an object that are not decoded:
//  1. a ServiceAccount's lists of Secrets, which are never compared;
//  2. all but the metadata, if no profile desires the object's name;
//  3. the large fields, if the object is too large to be what a profile desires.
func (d *Desired) cut(o wire.Object) wire.Cut {
	if o.Kind == "ServiceAccount" {
		const secrets, imagePullSecrets = 2, 3
		return wire.Cut{Drop: func(field int32, _ int) bool { return field == secrets || field == imagePullSecrets }}
	}
	limit, desired := d.Limit(o.Kind, o.Name)
	switch {
	case o.Name == "" || o.ContentBytes == 0 || desired && o.ContentBytes <= limit: // A bookmark has no name.
		return wire.Cut{}
	case !desired:
		return wire.Cut{LeftOut: true, Drop: func(int32, int) bool { return true }}
	default:
		return wire.Cut{LeftOut: true, Drop: func(_ int32, bytes int) bool { return bytes > limit/timesDesired }}
	}
}

// trimmingSerializer decodes no more of an object than is cached of it.
type trimmingSerializer struct {
	runtime.NegotiatedSerializer
	desired *Desired
}

// DecoderToVersion returns the decoder of objects, of lists and of the objects in watch events.
func (s trimmingSerializer) DecoderToVersion(decoder runtime.Decoder, version runtime.GroupVersioner) runtime.Decoder {
	return trimmingDecoder{s.NegotiatedSerializer.DecoderToVersion(decoder, version), s.desired}
}

type trimmingDecoder struct {
	runtime.Decoder
	desired *Desired
}

// Decode cuts content before it decodes the rest, and notes on each object how much it cut.
func (d trimmingDecoder) Decode(
	data []byte, defaults *schema.GroupVersionKind, into runtime.Object,
) (runtime.Object, *schema.GroupVersionKind, error) {
	trimmed, leftOut := wire.Trim(data, d.desired.cut)
	decoded, kind, err := d.Decoder.Decode(trimmed, defaults, into)
	if err != nil {
		return decoded, kind, err
	}
	if !meta.IsListType(decoded) {
		if o, ok := decoded.(baseline.Object); ok && len(leftOut) == 1 {
			baseline.LeaveOut(o, leftOut[0])
		}
		return decoded, kind, nil
	}
	i := 0
	err = meta.EachListItem(decoded, func(item runtime.Object) error {
		if o, ok := item.(baseline.Object); ok && i < len(leftOut) {
			baseline.LeaveOut(o, leftOut[i])
		}
		i++
		return nil
	})
	if err != nil {
		return nil, kind, fmt.Errorf("decoding a list: %w", err)
	}
	return decoded, kind, nil
}
