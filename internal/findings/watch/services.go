package watch

import (
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// ReadServices reads the specs of Services of a namespace; a Service that is not there is left out,
// since its caller may exist before it does. Services are read and not watched: a cluster has
// thousands, and the API server calls few of them.
func ReadServices(
	ctx context.Context, live client.Reader, namespace string, names []string,
) (map[string]*corev1.ServiceSpec, error) {
	services := map[string]*corev1.ServiceSpec{}
	var errs []error
	for _, name := range names {
		var service corev1.Service
		switch err := live.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, &service); {
		case apierrors.IsNotFound(err):
		case err != nil:
			errs = append(errs, fmt.Errorf("reading Service %s of namespace %s: %w", name, namespace, err))
		default:
			services[name] = &service.Spec
		}
	}
	return services, errors.Join(errs...)
}
