package release

import (
	"context"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/internal/clusteraccess/inventory"
	"github.com/bulwark-dev/bulwark/internal/events"
	"github.com/bulwark-dev/bulwark/internal/takeover"
)

// Departed are the notices to the namespace, and to the profile if there still is one, of what has
// become of a baseline.
func (n *Namespaces) Departed(
	ctx context.Context, ns *corev1.Namespace, report *v1alpha1.NamespacePosture, why string,
) []events.Addressed {
	if report.Enforcement != v1alpha1.EnforcementEnforce {
		return nil // There was no baseline.
	}
	profile, err := inventory.Profile(ctx, n.Client, report.Profile)
	if err != nil {
		profile = nil
	}
	if profile != nil && !profile.DeletionTimestamp.IsZero() {
		why = "the profile is being deleted"
	}
	notice := events.Notice{
		Type: corev1.EventTypeNormal, Reason: v1alpha1.EventBaselineRemoved, Action: "Remove",
		Note: "the baseline of SecurityProfile " + report.Profile + " was removed",
	}
	switch before := takeover.Remembered(ns.Annotations); {
	case retains(profile):
		notice.Reason, notice.Action = v1alpha1.EventBaselineRetained, "Retain"
		notice.Note = "the baseline of SecurityProfile " + report.Profile + " stays, unmanaged"
	case len(before) > 0:
		notice.Note += ", and the Pod Security labels of before are given back (" + inWords(before) + ")"
	}
	notice.Note += ": " + why
	notices := []events.Addressed{{Regarding: ns, Always: true, Notice: notice}}
	if profile != nil {
		notice.Object, notice.Note = baseline.Reference(ns), "namespace "+ns.Name+": "+notice.Note
		notices = append(notices, events.Addressed{Regarding: profile, Always: true, Notice: notice})
	}
	return notices
}

// inWords is labels of Pod Security as a person writes them.
func inWords(labels map[string]string) string {
	var words []string
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		words = append(words, strings.TrimPrefix(key, v1alpha1.PodSecurityPrefix)+"="+labels[key])
	}
	return strings.Join(words, ", ")
}
