package operator

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
)

// definition is the CustomResourceDefinition of reports, with these fields of the operator's own.
func definition(fields ...string) *unstructured.Unstructured {
	properties := map[string]any{}
	for _, field := range fields {
		properties[field] = map[string]any{"type": "string"}
	}
	d := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{"versions": []any{map[string]any{
		"name": "v1alpha1", "schema": map[string]any{"openAPIV3Schema": map[string]any{"properties": map[string]any{
			"operatorState": map[string]any{"properties": properties},
		}}},
	}}}}}
	d.SetGroupVersionKind(
		schema.GroupVersionKind{Group: "apiextensions.k8s.io", Version: "v1", Kind: "CustomResourceDefinition"},
	)
	d.SetName("namespacepostures.security.bulwark.dev")
	return d
}

// sealSecret is the Secret that another replica made so long before noon.
func sealSecret(age time.Duration, noon time.Time) *corev1.Secret {
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Namespace:         "ops",
			Name:              v1alpha1.SealSecret,
			CreationTimestamp: metav1.NewTime(noon.Add(-age)),
		},
		Data: map[string][]byte{v1alpha1.SealKey: bytes.Repeat([]byte("k"), 32)},
	}
}

func TestTheKeyThatSealsReports(t *testing.T) {
	noon := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	busy := errors.New("too many requests")
	for sentence, tc := range map[string]struct {
		there  []client.Object
		fails  int // so many lists of definitions fail
		usable bool
		made   time.Time
	}{
		"it is that of another replica, which made it just now":     {[]client.Object{definition("seal"), sealSecret(time.Minute, noon)}, 0, true, noon.Add(-time.Minute)},
		"it is an old one: no report can be older":                  {[]client.Object{definition("seal"), sealSecret(2*time.Hour, noon)}, 0, true, time.Time{}},
		"it is made by a clock that is ahead":                       {[]client.Object{definition("seal"), sealSecret(-time.Minute, noon)}, 0, true, noon.Add(time.Minute)},
		"there is none where reports keep no seal":                  {[]client.Object{definition("profile")}, 0, false, time.Time{}},
		"none is used where reports keep no seal":                   {[]client.Object{definition("profile"), sealSecret(time.Minute, noon)}, 0, false, time.Time{}},
		"it is there although the API server was busy for a moment": {[]client.Object{definition("seal"), sealSecret(time.Minute, noon)}, 2, true, noon.Add(-time.Minute)},
	} {
		t.Run(sentence, func(t *testing.T) {
			fails := tc.fails
			c := fake.NewClientBuilder().WithScheme(Scheme()).WithObjects(tc.there...).
				WithIndex(definition(), metav1.ObjectNameField, func(o client.Object) []string { return []string{o.GetName()} }).
				WithInterceptorFuncs(interceptor.Funcs{
					List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, options ...client.ListOption) error {
						if fails > 0 {
							fails--
							return busy
						}
						return c.List(ctx, list, options...)
					},
				}).Build()
			key, made, err := sealKey(t.Context(), c, "ops", clocktesting.NewFakePassiveClock(noon), logr.Discard())
			if err != nil {
				t.Fatal(err)
			}
			if key.Usable() != tc.usable || !made.Equal(tc.made) {
				t.Errorf("usable: %t, made: %s", key.Usable(), made)
			}
			var secrets corev1.SecretList
			if err := c.List(t.Context(), &secrets); err != nil || !tc.usable && len(tc.there) == 1 && len(secrets.Items) > 0 {
				t.Errorf("%d secrets were made: %v", len(secrets.Items), err)
			}
		})
	}
}
