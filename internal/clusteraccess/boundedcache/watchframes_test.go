package boundedcache

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/runtime/serializer/protobuf"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"

	"github.com/bulwark-dev/bulwark/internal/baseline"
)

func frameOf(t *testing.T, o *rbacv1.Role) []byte {
	t.Helper()
	o.SetGroupVersionKind(rbacv1.SchemeGroupVersion.WithKind("Role"))
	var object bytes.Buffer
	if err := protobuf.NewSerializer(clientgoscheme.Scheme, clientgoscheme.Scheme).Encode(o, &object); err != nil {
		t.Fatal(err)
	}
	event, err := (&metav1.WatchEvent{Type: "ADDED", Object: runtime.RawExtension{Raw: object.Bytes()}}).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(event))), event...)
}

func TestWatchFrames(t *testing.T) {
	desired := NewDesired()
	desired.Note(developers())
	largeRole := func(name string) *rbacv1.Role {
		r := role("shop", name)
		r.Annotations = map[string]string{"security.bulwark.dev/bytes-left-out": "1"} // Somebody forges it.
		r.Rules = []rbacv1.PolicyRule{{Verbs: []string{strings.Repeat("x", 100<<10)}}}
		return r
	}
	var stream []byte
	for _, o := range []*rbacv1.Role{
		role("shop", "small"), largeRole("hoard"), largeRole("bulwark-developer"), role("shop", "bulwark-developer"),
	} {
		stream = append(stream, frameOf(t, o)...)
	}
	for sentence, source := range map[string]io.Reader{
		"all at once":      bytes.NewReader(stream),
		"byte by byte":     iotest.OneByteReader(bytes.NewReader(stream)),
		"with its own end": iotest.DataErrReader(bytes.NewReader(stream)),
	} {
		t.Run(sentence, func(t *testing.T) {
			f := newWatchFrames(io.NopCloser(source), desired, newBytesRead())
			out, err := io.ReadAll(iotest.HalfReader(f))
			if err != nil {
				t.Fatal(err)
			}
			if len(out) > 4<<10 {
				t.Errorf("%d bytes are passed on", len(out))
			}
			var got []string
			serial := trimmingSerializer{
				serializer.WithoutConversionCodecFactory{CodecFactory: serializer.NewCodecFactory(clientgoscheme.Scheme)}, desired,
			}
			decoder := serial.DecoderToVersion(
				protobuf.NewSerializer(clientgoscheme.Scheme, clientgoscheme.Scheme), rbacv1.SchemeGroupVersion)
			for len(out) > 0 {
				size := binary.BigEndian.Uint32(out)
				var event metav1.WatchEvent
				if err := event.Unmarshal(out[4 : 4+size]); err != nil {
					t.Fatal(err)
				}
				out = out[4+size:]
				o, _, err := decoder.Decode(event.Object.Raw, nil, nil)
				if err != nil {
					t.Fatal(err)
				}
				state := " whole"
				if baseline.LeftOut(o.(baseline.Object)) > 100<<10 && len(o.(*rbacv1.Role).Rules) == 0 {
					state = " left out"
				}
				got = append(got, event.Type+" "+o.(*rbacv1.Role).Name+state)
			}
			want := []string{
				"ADDED small whole", "ADDED hoard left out", "ADDED bulwark-developer left out", "ADDED bulwark-developer whole",
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
	cutOff := newWatchFrames(io.NopCloser(bytes.NewReader(stream[:len(stream)/2])), desired, newBytesRead())
	if _, err := io.ReadAll(cutOff); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a stream that breaks off ends with %v", err)
	}
}
