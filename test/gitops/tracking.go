package main

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
)

const (
	trackingLabel      = "app.kubernetes.io/instance"
	trackingAnnotation = "argocd.argoproj.io/tracking-id"
	lastApplied        = "kubectl.kubernetes.io/last-applied-configuration"
)

// leavesTheBaselineAlone holds what Bulwark makes against what Argo CD tracks.
func leavesTheBaselineAlone(ctx context.Context, s *stage) error {
	s.title("Whose the baseline is")
	return isUntracked(ctx, s, "annotation tracking", trackingAnnotation)
}

// isUntracked syncs every way anew, with prune, and looks whether the baseline is taken for Argo
// CD's.
func isUntracked(ctx context.Context, s *stage, method, mark string) error {
	from := time.Now()
	marked := 0
	for _, a := range ways {
		var profile v1alpha1.SecurityProfile
		if err := s.client.Get(ctx, client.ObjectKey{Name: a.name}, &profile); err != nil {
			return err
		}
		if profile.Labels[mark]+profile.Annotations[mark] != "" {
			marked++
		}
		if err := s.sync(ctx, a.name); err != nil {
			return err
		}
	}
	objects := s.baseline(ctx)
	copied, kept := count(objects, isMarked), count(objects, func(o unstructured.Unstructured) bool {
		return o.GetCreationTimestamp().Time.Before(from)
	})
	foreign, outOfSync := 0, 0
	for _, a := range ways {
		foreign += len(s.resources(ctx, a.name, func(kind, _, _ string) bool { return kind == "SecurityProfile" }))
		outOfSync += len(s.watch.since(line{"sync", a.name}, from))
	}
	s.table.add(method+": the four Applications are synced again, with prune",
		"the profiles are marked; no object of the baseline is, and none is a resource of an Application; never OutOfSync",
		fmt.Sprintf("%d of %d profiles are marked; of %d objects %d are marked and %d are resources of an Application; "+
			"%d are as old as before; %d changes of sync",
			marked, len(ways), len(objects), copied, foreign, kept, outOfSync),
		marked == len(ways) && copied == 0 && foreign == 0 && outOfSync == 0 && len(objects) > 0)
	return nil
}

// isMarked reports whether an object bears what Argo CD writes on its own.
func isMarked(o unstructured.Unstructured) bool {
	_, labelled := o.GetLabels()[trackingLabel]
	annotations := o.GetAnnotations()
	return labelled || annotations[trackingAnnotation] != "" || annotations[lastApplied] != ""
}

func count(objects []unstructured.Unstructured, is func(unstructured.Unstructured) bool) (n int) {
	for _, o := range objects {
		if is(o) {
			n++
		}
	}
	return n
}

// tracksByLabel has Argo CD track by its label, as before its version 3.
func tracksByLabel(ctx context.Context, s *stage) error {
	s.title("Argo CD tracks by label")
	if err := configure(ctx, s, "application.resourceTrackingMethod", "label"); err != nil {
		return err
	}
	for _, a := range ways {
		if err := s.sync(ctx, a.name); err != nil {
			return err
		}
		if seen, good := s.settled(ctx, a.name); !good {
			s.table.add("the change to label tracking: "+wayNames[a.name], "Synced, Healthy", seen, false)
		}
	}
	return isUntracked(ctx, s, "label tracking", trackingLabel)
}

// configure changes a setting of Argo CD, whose controller is restarted.
func configure(ctx context.Context, s *stage, key, value string) error {
	cm := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: argoNamespace, Name: "argocd-cm"}}
	patch := client.RawPatch(types.MergePatchType, fmt.Appendf(nil, `{"data":{%q:%q}}`, key, value))
	if err := s.client.Patch(ctx, cm, patch); err != nil {
		return err
	}
	s.argo.stop("controller")
	return s.argo.startController()
}
