package release

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/internal/clusteraccess/inventory"
	"github.com/bulwark-dev/bulwark/internal/events"
)

// LeaveAlone notes which objects bear a profile's label in a protected namespace, where nothing is
// ever changed. The profile is told, or the namespace if there is no such profile.
//
// If logOnly is set, there are no notices: the first reconcile of everything after a start repeats
// what an earlier one told. Then the log and the profile's status say it.
func (n *Namespaces) LeaveAlone(
	ctx context.Context, ns *corev1.Namespace, logOnly bool,
) (notices []events.Addressed, _ error) {
	objects, err := n.Objects.Labelled(ctx, ns.Name)
	if err != nil {
		return notices, err
	}
	if baseline.IsLabelled(ns) {
		objects = append(objects, ns)
	}
	for _, o := range objects {
		label := o.GetLabels()[v1alpha1.ProfileLabel]
		profile, err := inventory.Profile(ctx, n.Client, label)
		if err != nil {
			return notices, err
		}
		ref := baseline.Reference(o)
		logf.FromContext(ctx).Info("Left alone what bears a profile's label in a protected namespace",
			"namespace", ns.Name, "kind", ref.Kind, "name", ref.Name, "profile", label)
		if logOnly {
			continue
		}
		what := fmt.Sprintf("%s %s in the protected namespace %s bears the label of SecurityProfile %s; it is left alone%s",
			ref.Kind, ref.Name, ns.Name, label, goesWith(o, profile))
		var regarding runtime.Object = ns
		if profile != nil {
			regarding = profile
		}
		notices = append(notices, events.Addressed{Regarding: regarding, Namespace: ns.Name, Notice: events.Notice{
			Object: ref, Type: corev1.EventTypeWarning, Reason: v1alpha1.EventProtected, Action: "Look", Note: what,
		}})
	}
	return notices, nil
}

// goesWith says that Kubernetes deletes an object with the profile that owns it, or nothing.
func goesWith(o baseline.Object, profile *v1alpha1.SecurityProfile) string {
	owned := profile != nil && slices.ContainsFunc(o.GetOwnerReferences(), func(owner metav1.OwnerReference) bool {
		return owner.UID == profile.UID
	})
	if !owned {
		return ""
	}
	return ", also its owner reference, by which Kubernetes deletes it when that profile is deleted"
}
