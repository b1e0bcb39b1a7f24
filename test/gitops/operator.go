package main

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/test/framework/controlplane"
)

const (
	operatorApp = "operator"
	chartApp    = "bulwark" // Argo CD gives the release the name of the Application.
	renamedApp  = "operator-chart"
)

// installsTheOperator has an Application install config/default, and runs the operator beside its
// Deployment.
func installsTheOperator(ctx context.Context, s *stage) error {
	s.title("An Application installs the operator from config/default")
	if err := s.repo.copy(filepath.Join(controlplane.Root(), "config"), "bulwark/config"); err != nil {
		return err
	}
	if err := s.commit(ctx, "Bulwark"); err != nil {
		return err
	}
	a := application{name: operatorApp, path: "bulwark/config/default", namespace: v1alpha1.OperatorNamespace}
	if err := s.create(ctx, a); err != nil {
		return err
	}
	seen, good := onlyPodsMissing(ctx, s, operatorApp)
	s.table.add("the operator by an Application, config/default, client-side apply, no node to run pods on",
		"Synced; nothing but the Deployment is not Healthy", seen, good)
	go playKubelet(ctx, s)
	seen, good = s.settled(ctx, operatorApp)
	s.table.add("its pods are marked as ready", "Synced, Healthy", seen, good)
	if err := s.patch(ctx, operatorApp, `{"spec":{"syncPolicy":{"syncOptions":["ServerSideApply=true"]}}}`); err != nil {
		return err
	}
	if err := s.sync(ctx, operatorApp); err != nil {
		return err
	}
	seen, good = s.settled(ctx, operatorApp)
	applied := appliedOnTheServer(ctx, s)
	s.table.add("the same with ServerSideApply=true", "Synced, Healthy; argocd-controller applies on the server's side",
		fmt.Sprintf("%s; it does: %v", seen, applied), good && applied)
	return s.startOperator(ctx)
}

// appliedOnTheServer reports whether Argo CD wrote the operator's Deployment by server-side apply.
func appliedOnTheServer(ctx context.Context, s *stage) bool {
	var deployment appsv1.Deployment
	key := client.ObjectKey{Namespace: v1alpha1.OperatorNamespace, Name: "bulwark-manager"}
	_ = s.client.Get(ctx, key, &deployment) // One that is not there has no writer.
	return slices.ContainsFunc(deployment.ManagedFields, func(e metav1.ManagedFieldsEntry) bool {
		return e.Manager == "argocd-controller" && e.Operation == metav1.ManagedFieldsOperationApply
	})
}

// onlyPodsMissing waits until only what runs pods is not as wanted.
func onlyPodsMissing(ctx context.Context, s *stage, name string) (seen string, good bool) {
	var others []string
	good = s.until(ctx, func() bool {
		others = s.resources(ctx, name, func(kind, sync, health string) bool {
			return sync == "Synced" && (health == "" || health == "Healthy" || kind == "Deployment")
		})
		sync, _ := state(s.application(ctx, name))
		return sync == "Synced" && len(others) == 0
	})
	missing := s.resources(ctx, name, func(_, _, health string) bool { return health == "" || health == "Healthy" })
	sync, health := state(s.application(ctx, name))
	seen = fmt.Sprintf("%s, %s; not Healthy: %s", sync, health, strings.Join(missing, ", "))
	if len(others) > 0 {
		seen += "; not as wanted: " + strings.Join(others, ", ")
	}
	return short(seen), good
}

// playKubelet marks the operator's pods as ready, since there is no node.
func playKubelet(ctx context.Context, s *stage) {
	for ctx.Err() == nil {
		var pods corev1.PodList
		_ = s.client.List(ctx, &pods, client.InNamespace(v1alpha1.OperatorNamespace)) // It is asked again.
		for _, pod := range pods.Items {
			if pod.Status.Phase == corev1.PodRunning {
				continue
			}
			pod.Status.Phase = corev1.PodRunning
			pod.Status.Conditions = []corev1.PodCondition{
				{Type: corev1.PodReady, Status: corev1.ConditionTrue, LastTransitionTime: metav1.Now()},
			}
			_ = s.client.Status().Update(ctx, &pod) // It is tried again.
		}
		s.rest(ctx, time.Second)
	}
}

// installsTheChart hands the operator from its Application to one of the chart.
func installsTheChart(ctx context.Context, s *stage) error {
	s.title("The chart takes over")
	a := application{name: chartApp}
	what := "the chart takes the operator over, once the Application of config/default is deleted without its resources"
	if err := takesOver(ctx, s, operatorApp, a, what); err != nil {
		return err
	}
	from := time.Now()
	if err := s.patch(ctx, chartApp, `{"metadata":{"annotations":{"argocd.argoproj.io/refresh":"hard"}}}`); err != nil {
		return err
	}
	s.rest(ctx, time.Minute)
	changes := s.watch.since(line{"sync", chartApp}, from)
	s.table.add("a minute more, with a hard refresh", "never leaves Synced", told(changes), len(changes) == 0)
	a = application{name: renamedApp, release: chartApp}
	return takesOver(ctx, s, chartApp, a, "an Application with another name than its release takes over in the same way")
}

// takesOver hands the operator from one Application to one of the chart.
func takesOver(ctx context.Context, s *stage, from string, to application, what string) error {
	if err := s.client.Delete(ctx, application{name: from}.object("")); err != nil {
		return err
	}
	s.until(ctx, func() bool { return s.application(ctx, from).GetUID() == "" })
	to.path, to.namespace = "bulwark/config/chart", v1alpha1.OperatorNamespace
	if err := s.create(ctx, to); err != nil {
		return err
	}
	_, good := s.settled(ctx, to.name)
	s.rest(ctx, 5*time.Second) // A warning may come with the next comparison.
	seen := s.shown(ctx, to.name)
	s.table.add(what, "Synced, Healthy, no warning of shared resources", seen, good && !strings.Contains(seen, "Warning"))
	return nil
}

// syncsTheSamples has the samples as they are.
func syncsTheSamples(ctx context.Context, s *stage) error {
	s.title("The sample profiles")
	a := application{name: "samples", path: "bulwark/config/samples", namespace: "default", cascade: true,
		syncOptions: []string{"ServerSideApply=true"}, serverSideDiff: true}
	if err := s.create(ctx, a); err != nil {
		return err
	}
	seen, good := s.settled(ctx, a.name)
	s.table.add("config/samples, all four, with admission policies and tamper protection", "Synced, Healthy", seen, good)
	return deletesWith(ctx, s, a.name, "the Application of the samples is deleted with its resources")
}
