package wire_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kruntime "k8s.io/apimachinery/pkg/runtime"

	"github.com/bulwark-dev/bulwark/internal/wire"
)

const ourLabel = "security.bulwark.dev/profile"

var trimmer = wire.Trimmer{Cut: theLarge, Labels: []string{ourLabel}}

func eventOf(t testing.TB, o kruntime.Object) []byte {
	t.Helper()
	event, err := (&metav1.WatchEvent{Type: "MODIFIED", Object: kruntime.RawExtension{Raw: encode(t, o)}}).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return event
}

// decodeEvent is the object of an event as a client comes to hold it, and how many bytes of its
// content were left out.
func decodeEvent(t *testing.T, event []byte) (kruntime.Object, []int) {
	t.Helper()
	var e metav1.WatchEvent
	if err := e.Unmarshal(event); err != nil {
		t.Fatal(err)
	}
	if e.Type != "MODIFIED" {
		t.Errorf("an event of type %q", e.Type)
	}
	trimmed, leftOut := wire.Trim(e.Object.Raw, theLarge)
	return decode(t, trimmed), leftOut
}

func readEvent(t *testing.T, event []byte) []byte {
	t.Helper()
	source := bufio.NewReaderSize(io.MultiReader(bytes.NewReader(event), strings.NewReader("the next event")), 4<<10)
	read, err := trimmer.ReadEvent(source, len(event))
	if err != nil {
		t.Fatal(err)
	}
	if next, _ := io.ReadAll(source); string(next) != "the next event" {
		t.Errorf("after it comes %q", next)
	}
	return read
}

func TestReadEvent(t *testing.T) {
	meta := metav1.ObjectMeta{
		Namespace:  "shop",
		Name:       "hoard",
		UID:        "u",
		Generation: 3,
		Labels:     map[string]string{ourLabel: "p"},
	}
	subjects := make([]rbacv1.Subject, 1000)
	for sentence, object := range map[string]kruntime.Object{
		"what is small":                         &rbacv1.Role{ObjectMeta: meta, Rules: make([]rbacv1.PolicyRule, 1)},
		"what has no content":                   &rbacv1.Role{ObjectMeta: meta},
		"what is large in one field":            &networkingv1.NetworkPolicy{ObjectMeta: meta, Spec: networkingv1.NetworkPolicySpec{Ingress: make([]networkingv1.NetworkPolicyIngressRule, 9000)}},
		"what is large in many":                 &rbacv1.RoleBinding{ObjectMeta: meta, Subjects: subjects, RoleRef: rbacv1.RoleRef{Name: "view"}},
		"what is large in many small ones":      &corev1.ServiceAccount{ObjectMeta: meta, AutomountServiceAccountToken: new(true), Secrets: make([]corev1.ObjectReference, 5000)},
		"what is large in a status":             &corev1.ResourceQuota{ObjectMeta: meta, Status: corev1.ResourceQuotaStatus{Hard: corev1.ResourceList{corev1.ResourceName(strings.Repeat("x", 200)): {}}}},
		"an object without metadata of its own": &metav1.Status{Message: strings.Repeat("x", 20_000)},
	} {
		t.Run(sentence, func(t *testing.T) {
			event := eventOf(t, object)
			want, wantLeftOut := decodeEvent(t, wire.TrimEvent(event, theLarge))
			got, leftOut := decodeEvent(t, readEvent(t, event))
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(wantLeftOut, leftOut); diff != "" {
				t.Error("left out:", diff)
			}
		})
	}
}

func TestReadEventBoundsMetadata(t *testing.T) {
	role := &rbacv1.Role{
		ObjectMeta: metav1.ObjectMeta{
			Namespace:   "shop",
			Name:        "hoard",
			Labels:      map[string]string{ourLabel: "p"},
			Annotations: map[string]string{},
		},
	}
	for i := range 3000 {
		role.Labels[fmt.Sprintf("a.example.com/%d", i)], role.Labels[fmt.Sprintf("z.example.com/%d", i)] = "x", "x"
		role.Annotations[fmt.Sprintf("a.example.com/%d", i)] = "x"
		role.Finalizers = append(role.Finalizers, fmt.Sprintf("example.com/%d", i))
		role.OwnerReferences = append(role.OwnerReferences, metav1.OwnerReference{Name: fmt.Sprint(i)})
		role.ManagedFields = append(
			role.ManagedFields,
			metav1.ManagedFieldsEntry{Manager: fmt.Sprint("manager-of-something-", i), FieldsV1: &metav1.FieldsV1{}},
		)
	}
	read := readEvent(t, eventOf(t, role))
	if most := 5 * 17 << 10; len(read) > most {
		t.Errorf("%d bytes are held, more than %d", len(read), most)
	}
	o, _ := decodeEvent(t, read)
	got := o.(*rbacv1.Role)
	switch {
	case got.Name != "hoard" || got.Labels[ourLabel] != "p":
		t.Errorf("it is %s of %q", got.Name, got.Labels[ourLabel])
	case len(got.Finalizers) < 8 || len(got.OwnerReferences) < 32:
		t.Errorf("%d finalizers, %d owners", len(got.Finalizers), len(got.OwnerReferences))
	case got.ManagedFields != nil:
		t.Error("of many managers some are told")
	}
}

// TestReadEventHoldsNothingOfIt is why events are read so.
func TestReadEventHoldsNothingOfIt(t *testing.T) {
	event := eventOf(t, &networkingv1.NetworkPolicy{
		ObjectMeta: metav1.ObjectMeta{Name: "hoard"},
		Spec:       networkingv1.NetworkPolicySpec{Ingress: make([]networkingv1.NetworkPolicyIngressRule, 2_000_000)},
	})
	source := bufio.NewReaderSize(bytes.NewReader(event), 4<<10)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := trimmer.ReadEvent(source, len(event))
	runtime.ReadMemStats(&after)
	if took := after.TotalAlloc - before.TotalAlloc; err != nil || took > 64<<10 {
		t.Errorf("reading %d bytes took %d bytes of memory (%v)", len(event), took, err)
	}
}

// FuzzReadEvent holds that whatever comes is read without a panic, no further than its size, and as
// TrimEvent does.
func FuzzReadEvent(f *testing.F) {
	small := metav1.ObjectMeta{Name: "small", Labels: map[string]string{ourLabel: "p"}}
	f.Add([]byte("x"))
	f.Add(eventOf(f, &rbacv1.Role{ObjectMeta: small, Rules: make([]rbacv1.PolicyRule, 99)}))
	f.Add(eventOf(f, &rbacv1.RoleBinding{ObjectMeta: small, Subjects: make([]rbacv1.Subject, 2)}))
	f.Fuzz(func(t *testing.T, event []byte) {
		source := bufio.NewReaderSize(io.MultiReader(bytes.NewReader(event), strings.NewReader("next")), 4<<10)
		read, err := trimmer.ReadEvent(source, len(event))
		if err != nil {
			return
		}
		if next, _ := io.ReadAll(source); string(next) != "next" {
			t.Errorf("after it comes %q", next)
		}
		var was, is metav1.WatchEvent
		if was.Unmarshal(event) != nil {
			return
		}
		if err := is.Unmarshal(read); err != nil || was.Type != is.Type {
			t.Errorf("what could be decoded of type %q is one of type %q now (%v)", was.Type, is.Type, err)
		}
	})
}
