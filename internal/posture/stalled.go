package posture

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/internal/printable"
)

// maxStalledRunes bounds why a profile cannot be carried out, as a report holds it.
const maxStalledRunes = 1024

// Stalled is the report on a namespace whose profile cannot be carried out: it is not ready, and
// says why. The rest is as the report of before has it, since what is in place stays so, and by
// what it remembers the profile knows its own once it is mended.
func Stalled(
	profile *v1alpha1.SecurityProfile, ns *corev1.Namespace, previous *v1alpha1.NamespacePosture, why error, now time.Time,
) *v1alpha1.NamespacePosture {
	report := &v1alpha1.NamespacePosture{}
	older := previous != nil && previous.NamespaceUID == "" // An older release did not write it.
	if older || previous != nil && previous.NamespaceUID == ns.UID {
		report = previous.DeepCopy()
	}
	report.ObjectMeta = metav1.ObjectMeta{
		Namespace: ns.Name, Name: v1alpha1.PostureName, OwnerReferences: baseline.Owner(profile),
		Labels: map[string]string{v1alpha1.ManagedByLabel: v1alpha1.ManagedBy, v1alpha1.ProfileLabel: profile.Name},
	}
	report.Profile, report.NamespaceUID, report.ProfileGeneration = profile.Name, ns.UID, profile.Generation
	report.Enforcement = profile.EffectiveEnforcement()
	setStalled(report, previous, "SecurityProfile "+profile.Name+" cannot be carried out: "+
		printable.Cut(why.Error(), maxStalledRunes)+
		"; what is in place stays as it is, and drift is not corrected until the profile is mended", now)
	return report
}
