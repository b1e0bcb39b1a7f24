package wire_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer/protobuf"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"

	"github.com/bulwark-dev/bulwark/internal/wire"
)

func encode(t testing.TB, o runtime.Object) []byte {
	t.Helper()
	var b bytes.Buffer
	kinds, _, err := clientgoscheme.Scheme.ObjectKinds(o)
	if err == nil {
		o.GetObjectKind().SetGroupVersionKind(kinds[0])
		err = protobuf.NewSerializer(clientgoscheme.Scheme, clientgoscheme.Scheme).Encode(o, &b)
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func decode(t *testing.T, data []byte) runtime.Object {
	t.Helper()
	o, _, err := protobuf.NewSerializer(clientgoscheme.Scheme, clientgoscheme.Scheme).Decode(data, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// theLarge leaves out the parts that are larger than a hundred bytes.
func theLarge(o wire.Object) wire.Cut {
	return wire.Cut{LeftOut: o.ContentBytes > 100, Drop: func(_ int32, bytes int) bool { return bytes > 100 }}
}

func TestTrim(t *testing.T) {
	named := func(name string) metav1.ObjectMeta {
		return metav1.ObjectMeta{
			Namespace:   "shop",
			Name:        name,
			Labels:      map[string]string{"a": "b"},
			Annotations: map[string]string{"long": strings.Repeat("x", 200)},
		}
	}
	rules := make([]networkingv1.NetworkPolicyIngressRule, 1000)
	subjects := make([]rbacv1.Subject, 1000)
	roleRef := rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "developer"}
	for sentence, c := range map[string]struct {
		in, want runtime.Object
		leftOut  []int
	}{
		"an object that is small stays whole": {
			in:      &networkingv1.NetworkPolicy{ObjectMeta: named("small"), Spec: networkingv1.NetworkPolicySpec{PolicyTypes: []networkingv1.PolicyType{"Egress"}}},
			want:    &networkingv1.NetworkPolicy{ObjectMeta: named("small"), Spec: networkingv1.NetworkPolicySpec{PolicyTypes: []networkingv1.PolicyType{"Egress"}}},
			leftOut: []int{0},
		},
		"one that is large loses its content and keeps its metadata": {
			in:      &networkingv1.NetworkPolicy{ObjectMeta: named("large"), Spec: networkingv1.NetworkPolicySpec{Ingress: rules}},
			want:    &networkingv1.NetworkPolicy{ObjectMeta: named("large")},
			leftOut: []int{2005},
		},
		"a list is as large as its items together, and what is small beside it stays": {
			in:      &rbacv1.RoleBinding{ObjectMeta: named("binding"), RoleRef: roleRef, Subjects: subjects},
			want:    &rbacv1.RoleBinding{ObjectMeta: named("binding"), RoleRef: roleRef},
			leftOut: []int{10046},
		},
		"each item of a list is an object": {
			in: &networkingv1.NetworkPolicyList{ListMeta: metav1.ListMeta{ResourceVersion: "7", Continue: "more"}, Items: []networkingv1.NetworkPolicy{
				{ObjectMeta: named("large"), Spec: networkingv1.NetworkPolicySpec{Ingress: rules}},
				{ObjectMeta: named("small")},
			}},
			want: &networkingv1.NetworkPolicyList{ListMeta: metav1.ListMeta{ResourceVersion: "7", Continue: "more"}, Items: []networkingv1.NetworkPolicy{
				{ObjectMeta: named("large")}, {ObjectMeta: named("small")},
			}},
			leftOut: []int{2005, 0},
		},
		"a list of nothing stays": {
			in: &networkingv1.NetworkPolicyList{}, want: &networkingv1.NetworkPolicyList{},
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			data := encode(t, c.in)
			before := bytes.Clone(data)
			trimmed, leftOut := wire.Trim(data, theLarge)
			got := decode(t, trimmed)
			got.GetObjectKind().SetGroupVersionKind(c.want.GetObjectKind().GroupVersionKind())
			if diff := cmp.Diff(decode(t, encode(t, c.want)), decode(t, trimmed)); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(c.leftOut, leftOut); diff != "" {
				t.Error("left out:", diff)
			}
			if !bytes.Equal(before, data) {
				t.Error("it changed what it was given")
			}
		})
	}
}

func TestTrimTellsTheNameAndKind(t *testing.T) {
	var told []wire.Object
	data := encode(t, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "default"}})
	wire.Trim(data, func(o wire.Object) wire.Cut { told = append(told, o); return wire.Cut{} })
	if diff := cmp.Diff([]wire.Object{{Kind: "ServiceAccount", Name: "default"}}, told); diff != "" {
		t.Error(diff)
	}
}

// FuzzTrim holds that whatever comes is trimmed without a panic, and that what decodes still does.
func FuzzTrim(f *testing.F) {
	f.Add([]byte("k8s\x00"), 10)
	f.Add([]byte(`{"kind":"Role"}`), 0)
	f.Add([]byte("k8s\x00\x0a\x0a\x0a\x02v1\x12\x04Role\x12\x03\x0a\x01"), 1)
	f.Fuzz(func(t *testing.T, data []byte, most int) {
		before := bytes.Clone(data)
		trimmed, _ := wire.Trim(data, func(wire.Object) wire.Cut {
			return wire.Cut{LeftOut: true, Drop: func(_ int32, bytes int) bool { return bytes > most }}
		})
		if len(trimmed) > len(data)+20 || !bytes.Equal(before, data) {
			t.Errorf("%d bytes of %d", len(trimmed), len(data))
		}
		s := protobuf.NewSerializer(clientgoscheme.Scheme, clientgoscheme.Scheme)
		if _, _, err := s.Decode(data, nil, nil); err != nil {
			return
		}
		if _, _, err := s.Decode(trimmed, nil, nil); err != nil {
			t.Error("what could be decoded cannot be any more:", err)
		}
	})
}
