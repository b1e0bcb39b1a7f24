package watch

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// hookOnly is an API server that has the Service hook, and cannot say whether there is a Service
// broken.
type hookOnly struct{ client.Reader }

var errBroken = errors.New("no route")

func (hookOnly) Get(_ context.Context, key client.ObjectKey, into client.Object, _ ...client.GetOption) error {
	switch key.Name {
	case "hook":
		into.(*corev1.Service).Spec.ClusterIP = key.Namespace
		return nil
	case "broken":
		return errBroken
	}
	return apierrors.NewNotFound(corev1.Resource("services"), key.Name)
}

func TestServicesAreReadOneByOne(t *testing.T) {
	got, err := ReadServices(t.Context(), hookOnly{}, "shop", []string{"none", "broken", "hook"})
	if !errors.Is(err, errBroken) || apierrors.IsNotFound(err) {
		t.Errorf("want the error of the Service that could not be read alone, got %v", err)
	}
	if diff := cmp.Diff(map[string]*corev1.ServiceSpec{"hook": {ClusterIP: "shop"}}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
