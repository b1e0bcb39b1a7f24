package findings

import (
	"fmt"
	"slices"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
)

// LabelSync is what is known of OpenShift's label syncer, which sets the Pod Security labels of
// namespaces by what their ServiceAccounts may do.
type LabelSync struct {
	// Asked says that the namespace's own label asks for it, Declined that it declines.
	Asked, Declined bool
	// Changed is the field manager by which it was seen to change a label that the profile
	// declares; empty if it was not.
	Changed string
}

// LabelSyncLabel is the label by which a namespace asks for the syncer, or declines it. Without it
// the syncer sets what nobody else has set.
const LabelSyncLabel = "security.openshift.io/scc.podSecurityLabelSync"

// syncManagers are the field managers of the syncer, now and before OpenShift 4.12.
var syncManagers = []string{"pod-security-admission-label-synchronization-controller", "cluster-policy-controller"}

// LabelSyncOf is what a namespace's labels and the drift of its labels say of the syncer.
func LabelSyncOf(labels map[string]string, managers []string) LabelSync {
	s := LabelSync{Asked: labels[LabelSyncLabel] == "true", Declined: labels[LabelSyncLabel] == "false"}
	for _, manager := range syncManagers {
		if slices.Contains(managers, manager) {
			s.Changed = manager
		}
	}
	return s
}

// labelSync finds a syncer that sets the labels that the profile declares. Until the namespace
// declines, both set them.
func (j *judge) labelSync(s *LabelSync) {
	if j.profile.Spec.PodSecurity == nil || !j.profile.LooksFor(v1alpha1.FindingIDPodSecurityLabelSync) || s.Declined {
		return
	}
	f := v1alpha1.Finding{
		ID: v1alpha1.FindingIDPodSecurityLabelSync, Severity: v1alpha1.SeverityMedium,
		Object:  v1alpha1.ObjectReference{APIVersion: "v1", Kind: "Namespace", Name: j.namespace},
		Message: "its label " + LabelSyncLabel + " asks OpenShift to set the Pod Security labels that the profile declares",
		Remedy:  "label the namespace " + LabelSyncLabel + "=false",
	}
	switch {
	case s.Changed != "":
		f.Severity = v1alpha1.SeverityHigh
		f.Message = fmt.Sprintf(
			"OpenShift's label syncer (%s) changes the Pod Security labels that the profile declares",
			s.Changed,
		)
	case !s.Asked:
		return
	}
	j.add(f)
}
