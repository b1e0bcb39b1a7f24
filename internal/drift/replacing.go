package drift

import (
	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/bulwark-dev/bulwark/internal/baseline"
)

// Outlives reports whether the object that is found is better than none if the API server refuses
// the one that is to replace it. A binding that somebody has made to another role is not: it
// permits what nobody declared.
func (d *Drift) Outlives(tampered bool) bool {
	_, binds := d.Got.(*rbacv1.RoleBinding)
	return !binds || !tampered || d.Foreign || len(d.Fields) == 1 && d.Terminates()
}

// Restored is the object that was found, as it is made again: it enforces what it did. If Bulwark
// made it, it bears the labels and the owner that are desired now, so that it does not go with a
// profile that governed before.
func (d *Drift) Restored() baseline.Object {
	restored := d.Got.DeepCopyObject().(baseline.Object)
	fresh := baseline.KindOf(d.Got).New()
	restored.SetUID(fresh.GetUID())
	restored.SetResourceVersion(fresh.GetResourceVersion())
	restored.SetGeneration(fresh.GetGeneration())
	restored.SetCreationTimestamp(fresh.GetCreationTimestamp())
	restored.SetDeletionTimestamp(nil)
	restored.SetDeletionGracePeriodSeconds(nil)
	restored.SetManagedFields(nil)
	restored.SetFinalizers(nil)
	if d.Foreign {
		return restored
	}
	labels := map[string]string{}
	for _, given := range []map[string]string{d.Got.GetLabels(), d.Want.GetLabels()} {
		for key, value := range given {
			labels[key] = value
		}
	}
	restored.SetLabels(labels)
	restored.SetOwnerReferences(d.Want.GetOwnerReferences())
	return restored
}
