package drift

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bulwark-dev/bulwark/internal/baseline"
)

func TestPatchWritesWhatIsOursAlone(t *testing.T) {
	want := &networkingv1.NetworkPolicy{
		ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"app.kubernetes.io/managed-by": "bulwark"}},
		Spec:       networkingv1.NetworkPolicySpec{PolicyTypes: []networkingv1.PolicyType{"Ingress"}},
	}
	const (
		head  = `[{"op":"test","path":"/metadata/uid","value":"u"},{"op":"add","path":"/spec","value":{"podSelector":{},"policyTypes":["Ingress"]}},`
		whole = `{"op":"add","path":"/metadata/labels","value":{"app.kubernetes.io/managed-by":"bulwark"}},`
		tail  = `{"op":"add","path":"/metadata/labels/app.kubernetes.io~1managed-by","value":"bulwark"},{"op":"add","path":"/metadata/ownerReferences","value":null}]`
	)
	for sentence, tc := range map[string]struct {
		labels map[string]string
		want   string
	}{
		"others' labels are not touched":   {map[string]string{"team": "a"}, head + tail},
		"there is no map of labels to add": {nil, head + whole + tail},
	} {
		t.Run(sentence, func(t *testing.T) {
			got, err := Patch(want, &networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{UID: "u", Labels: tc.labels}})
			if diff := cmp.Diff(tc.want, string(got)); err != nil || diff != "" {
				t.Errorf("%v (-want +got):\n%s", err, diff)
			}
		})
	}
}

func TestWithoutFinalizersIsOfOneObjectOnly(t *testing.T) {
	got, err := WithoutFinalizers(&networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{UID: "u"}})
	want := `[{"op":"test","path":"/metadata/uid","value":"u"},{"op":"add","path":"/metadata/finalizers","value":null}]`
	if diff := cmp.Diff(want, string(got)); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

func TestWhatTerminatesIsReplaced(t *testing.T) {
	going := binding()
	going.DeletionTimestamp = &metav1.Time{Time: time.Unix(1_700_000_000, 0)}
	d := Compare([]baseline.Object{binding()}, []baseline.Object{going}, Ours)
	if len(d) != 1 || !d[0].Replaces() || !d[0].Terminates() {
		t.Errorf("want one drift that is replaced, got %v", differences(d))
	}
}

func TestConcerning(t *testing.T) {
	for sentence, tc := range map[string]struct {
		fields string
		want   bool
	}{
		"a finalizer":                       {`{"f:metadata":{"f:finalizers":{".":{},"v:\"example.com/keep\"":{}}}}`, false},
		"a label of its own":                {`{"f:metadata":{"f:labels":{"f:team":{}}}}`, false},
		"an annotation":                     {`{"f:metadata":{"f:annotations":{".":{},"f:cost":{}}}}`, false},
		"a label of ours":                   {`{"f:metadata":{"f:labels":{"f:security.bulwark.dev/profile":{}}}}`, true},
		"an owner":                          {`{"f:metadata":{"f:ownerReferences":{".":{},"k:{\"uid\":\"x\"}":{}}}}`, true},
		"a rule":                            {`{"f:spec":{"f:ingress":{}}}`, true},
		"rules":                             {`{"f:rules":{}}`, true},
		"subjects":                          {`{"f:subjects":{}}`, true},
		"a rule, and a finalizer beside it": {`{"f:metadata":{"f:finalizers":{}},"f:spec":{"f:egress":{}}}`, true},
	} {
		t.Run(sentence, func(t *testing.T) {
			entries := []metav1.ManagedFieldsEntry{
				{Manager: "bulwark"},
				{Manager: "other", FieldsV1: metav1.NewFieldsV1(tc.fields)},
			}
			got := Concerning(entries)
			if got == nil || (len(got) == 1) != tc.want {
				t.Errorf("want %t, got %v", tc.want, got)
			}
		})
	}
}
