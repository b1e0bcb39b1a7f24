// Package controllermanager stands in for kube-controller-manager on an API server that runs
// without one. It does what a baseline hangs on, and nothing else:
//
//	a Namespace              gets its ServiceAccount default
//	a ClusterRole            gets the rules that it aggregates
//	a ResourceQuota          is counted
//
// It may import client libraries and the pure count of pods. It must never know a profile, and
// writes nothing where kube-controller-manager has written already.
package controllermanager

import (
	"context"
	"errors"
	"fmt"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/apiserver/pkg/authentication/user"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/bulwark-dev/bulwark/test/framework/running"
)

// User is who it has to be to the API server: tamper protection lets kube-controller-manager count.
// It needs every permission, since whoever aggregates a ClusterRole grants its rules.
const User = user.KubeControllerManager

// Start starts it by the configuration of a client that is User, and waits until it knows what
// there is, for as long as the context lasts. It runs until it is stopped.
func Start(ctx context.Context, cfg *rest.Config, log logr.Logger) (*running.Task, error) {
	scheme := runtime.NewScheme()
	utilruntime.Must(clientgoscheme.AddToScheme(scheme))
	mgr, err := manager.New(cfg, manager.Options{
		Scheme:                 scheme,
		Logger:                 log,
		Metrics:                metricsserver.Options{BindAddress: "0"},
		HealthProbeBindAddress: "0",
		Controller:             config.Controller{SkipNameValidation: ptr.To(true)},
	})
	if err != nil {
		return nil, fmt.Errorf("making a manager: %w", err)
	}
	if err := setUp(mgr); err != nil {
		return nil, err
	}
	task := running.Start(context.WithoutCancel(ctx), mgr.Start)
	if !mgr.GetCache().WaitForCacheSync(ctx) {
		return nil, errors.Join(errors.New("the caches have not synced"), task.Stop())
	}
	return task, nil
}

func setUp(mgr manager.Manager) error {
	c := mgr.GetClient()
	return errors.Join(
		builder.ControllerManagedBy(mgr).Named("stand-in-service-accounts").
			For(&corev1.Namespace{}).
			Watches(&corev1.ServiceAccount{}, handler.EnqueueRequestsFromMapFunc(namespaceOf)).
			Complete(reconcile.AsReconciler(c, &serviceAccounts{c})),
		builder.ControllerManagedBy(mgr).Named("stand-in-aggregation").
			For(&rbacv1.ClusterRole{}).
			Watches(&rbacv1.ClusterRole{}, handler.EnqueueRequestsFromMapFunc(aggregated(c))).
			Complete(reconcile.AsReconciler(c, &aggregation{c})),
		builder.ControllerManagedBy(mgr).Named("stand-in-quotas").
			For(&corev1.ResourceQuota{}).
			Watches(&corev1.Pod{}, handler.EnqueueRequestsFromMapFunc(quotasBeside(c))).
			Complete(reconcile.AsReconciler(c, &quotas{Client: c, live: mgr.GetAPIReader()})),
	)
}

// namespaceOf asks for the namespace of a ServiceAccount.
func namespaceOf(_ context.Context, o client.Object) []reconcile.Request {
	return []reconcile.Request{{NamespacedName: types.NamespacedName{Name: o.GetNamespace()}}}
}

// aggregated asks for every ClusterRole that aggregates: one that changed may have been a part of
// it.
func aggregated(c client.Reader) handler.MapFunc {
	return func(ctx context.Context, _ client.Object) []reconcile.Request {
		var roles rbacv1.ClusterRoleList
		if err := c.List(ctx, &roles); err != nil {
			return nil // A cache that has synced does not fail.
		}
		var requests []reconcile.Request
		for i := range roles.Items {
			if roles.Items[i].AggregationRule != nil {
				requests = append(requests, requestFor(&roles.Items[i]))
			}
		}
		return requests
	}
}

// quotasBeside asks for the quotas of the namespace that a pod is in.
func quotasBeside(c client.Reader) handler.MapFunc {
	return func(ctx context.Context, o client.Object) []reconcile.Request {
		var found corev1.ResourceQuotaList
		if err := c.List(ctx, &found, client.InNamespace(o.GetNamespace())); err != nil {
			return nil // Likewise.
		}
		var requests []reconcile.Request
		for i := range found.Items {
			requests = append(requests, requestFor(&found.Items[i]))
		}
		return requests
	}
}

func requestFor(o client.Object) reconcile.Request {
	return reconcile.Request{NamespacedName: client.ObjectKeyFromObject(o)}
}
