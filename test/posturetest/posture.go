package posturetest

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/internal/clusteraccess/inventory"
)

// Posture is what the API server holds of a governed namespace at one moment.
type Posture struct {
	// Namespace is the namespace.
	Namespace *corev1.Namespace
	// Report is Bulwark's report on it; nil if there is none.
	Report *v1alpha1.NamespacePosture
	// Profile is the profile that the report names; nil if there is none.
	Profile *v1alpha1.SecurityProfile

	found []baseline.Object // the namespace, and what bears Bulwark's label in it
}

// Posture reads the posture of a namespace. It is made for Eventually, too:
//
//	Eventually(bulwark.Posture).WithArguments("team-a").WithContext(ctx).Should(…)
func (o *Operator) Posture(ctx context.Context, namespace string) (*Posture, error) {
	p := &Posture{Namespace: &corev1.Namespace{}}
	if err := o.Client.Get(ctx, client.ObjectKey{Name: namespace}, p.Namespace); err != nil {
		return nil, fmt.Errorf("reading namespace %s: %w", namespace, err)
	}
	p.found = []baseline.Object{p.Namespace}
	for i := range baseline.NamespacedKinds {
		labelled, err := inventory.List(ctx, o.Client, &baseline.NamespacedKinds[i],
			client.InNamespace(namespace), client.HasLabels{v1alpha1.ProfileLabel})
		if err != nil {
			return nil, err
		}
		p.found = append(p.found, labelled...)
	}
	// The report is read last: what it says of the objects is not older than they are.
	var err error
	key := client.ObjectKey{Namespace: namespace, Name: v1alpha1.PostureName}
	if p.Report, err = readIfThere(ctx, o.Client, key, &v1alpha1.NamespacePosture{}); err != nil || p.Report == nil {
		return p, err
	}
	p.Profile, err = readIfThere(ctx, o.Client, client.ObjectKey{Name: p.Report.Profile}, &v1alpha1.SecurityProfile{})
	return p, err
}

// readIfThere reads an object; nil if there is none.
func readIfThere[T client.Object](ctx context.Context, c client.Reader, key client.ObjectKey, o T) (T, error) {
	var none T
	err := c.Get(ctx, key, o)
	if apierrors.IsNotFound(err) {
		return none, nil
	}
	if err != nil {
		return none, fmt.Errorf("reading %T %s: %w", o, key, err)
	}
	return o, nil
}
