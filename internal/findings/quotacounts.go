package findings

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/baseline"
)

// Counts are the entries of a ResourceQuota that count what Bulwark keeps in a namespace, with what
// they grant.
type Counts corev1.ResourceList

// CountsOf is what a ResourceQuota counts of what Bulwark keeps; false if that is nothing.
func CountsOf(quota *corev1.ResourceQuota) (Counts, bool) {
	counts := Counts{}
	for _, counter := range baseline.Counters() {
		entry := corev1.ResourceName(counter.Entry)
		if granted, counted := quota.Spec.Hard[entry]; counted {
			counts[entry] = granted
		}
	}
	return counts, len(counts) > 0
}

// countingQuotas finds quotas that can keep the baseline out, or the report on it: those that grant
// less than it consists of do.
func (j *judge) countingQuotas(all map[string]Counts) {
	if len(all) == 0 || !j.profile.LooksFor(v1alpha1.FindingIDQuotaCountsBaseline) {
		return
	}
	needs := map[string]int64{"NamespacePosture": 1}
	for _, o := range j.desired() {
		needs[baseline.KindOf(o).Kind]++
	}
	for _, name := range sortedKeys(all) {
		severity := v1alpha1.SeverityMedium
		var entries []string
		for _, counter := range baseline.Counters() {
			granted, counted := all[name][corev1.ResourceName(counter.Entry)]
			need := needs[counter.Kind]
			if !counted || need == 0 {
				continue
			}
			if granted.Cmp(*resource.NewQuantity(need, resource.DecimalSI)) < 0 {
				severity = v1alpha1.SeverityHigh
			}
			entries = append(entries,
				fmt.Sprintf("%s grants %s, and the baseline has %d", counter.Entry, granted.String(), need))
		}
		if len(entries) == 0 {
			continue
		}
		j.add(v1alpha1.Finding{
			ID: v1alpha1.FindingIDQuotaCountsBaseline, Severity: severity, Object: Reference("ResourceQuota", name),
			Message: "the quota counts what the baseline consists of, and keeps it out where there is no room: " +
				listed(entries, maxListed),
			Remedy: "delete the quota, or take these entries out of it; " +
				"with spec.protection.tamper the API server refuses such quotas",
		})
	}
}
