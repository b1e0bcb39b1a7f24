package clusteraccess

import (
	"fmt"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/internal/wire"
)

// cut says what of an object is not decoded, by kind:
//  1. Of a ServiceAccount the lists of its Secrets, which nobody compares.
//  2. Of what no profile desires by name all but the metadata.
//  3. Of what is too large to be what a profile desires those parts that make it so.
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

// boundedSerializer decodes no more of an object than is held of it.
type boundedSerializer struct {
	runtime.NegotiatedSerializer
	desired *Desired
}

// DecoderToVersion is for single objects, those of a watch among them, and for lists.
func (s boundedSerializer) DecoderToVersion(decoder runtime.Decoder, version runtime.GroupVersioner) runtime.Decoder {
	return boundedDecoder{s.NegotiatedSerializer.DecoderToVersion(decoder, version), s.desired}
}

type boundedDecoder struct {
	runtime.Decoder
	desired *Desired
}

// Decode leaves content out before it is decoded, and says of each object whether it did.
func (d boundedDecoder) Decode(
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
