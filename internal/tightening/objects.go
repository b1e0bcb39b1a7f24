package tightening

import "github.com/bulwark-dev/bulwark/internal/baseline"

// Tightens reports whether an object may refuse what another one of its kind admits; nil is none. A
// level is compared with the other one. Of anything else that differs, only a check tells.
func Tightens(want, before baseline.Object) bool {
	if baseline.KindOf(want).Refusing.Refuses != baseline.PodsBelowLevel {
		return baseline.RefusingContent(want) != baseline.RefusingContent(before)
	}
	return StricterLabels(want.GetLabels(), labelsOf(before))
}

// Interim is what is kept in the place of an object while that is deferred: an object that refuses
// what the one before does; nil if there was none. A level that is deferred warns and audits.
func Interim(want, before baseline.Object) baseline.Object {
	keep := want.DeepCopyObject().(baseline.Object)
	switch {
	case baseline.KindOf(want).Refusing.Refuses == baseline.PodsBelowLevel:
		keep.SetLabels(InterimLabels(want.GetLabels(), labelsOf(before)))
	case before == nil:
		return nil
	default:
		baseline.CopyRefusing(keep, before)
	}
	return keep
}

func labelsOf(o baseline.Object) map[string]string {
	if o == nil {
		return nil
	}
	return o.GetLabels()
}
