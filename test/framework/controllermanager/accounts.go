package controllermanager

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// defaultAccount is the name of the ServiceAccount that every namespace has.
const defaultAccount = "default"

// serviceAccounts makes the ServiceAccount default of each namespace.
type serviceAccounts struct{ client.Client }

// Reconcile makes it unless it is there, or the namespace is about to go.
func (s *serviceAccounts) Reconcile(ctx context.Context, ns *corev1.Namespace) (reconcile.Result, error) {
	if !ns.DeletionTimestamp.IsZero() {
		return reconcile.Result{}, nil
	}
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: ns.Name, Name: defaultAccount}}
	err := s.Get(ctx, client.ObjectKeyFromObject(account), account.DeepCopy())
	if apierrors.IsNotFound(err) {
		err = s.Create(ctx, account)
	}
	switch {
	case err == nil, apierrors.IsAlreadyExists(err), apierrors.IsNotFound(err),
		apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause):
		return reconcile.Result{}, nil
	}
	return reconcile.Result{}, fmt.Errorf("making ServiceAccount %s/%s: %w", ns.Name, defaultAccount, err)
}
