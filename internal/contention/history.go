package contention

import (
	"slices"
	"time"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/drift"
)

// history are the corrections that count: those within the window.
type history struct {
	settings Settings
	at       map[field][]time.Time
}

// field is a field of an object; the object as a whole where the path is empty.
type field struct {
	namespace string
	object    v1alpha1.ObjectReference
	path      string
}

const (
	// wholeObject stands for the fields of an object that is deleted again and again.
	wholeObject = "."
	// removal stands for the fields of an object that should not exist.
	removal = "-"
)

// maxContested is how many fields of a drift are told apart. Whoever changes more at once contests
// the object.
const maxContested = 16

// contestable are the fields of a drift that may be contested.
func contestable(d *drift.Drift) []string {
	switch {
	case d.Change == v1alpha1.DriftChangeUnexpected:
		return []string{removal}
	case d.Change == v1alpha1.DriftChangeMissing || len(d.Fields) > maxContested:
		return []string{wholeObject}
	}
	var paths []string
	for _, f := range d.Fields {
		paths = append(paths, f.String())
	}
	return paths
}

// ofKind stands for all objects of a kind that should not exist: whoever makes them may give each
// another name.
func ofKind(namespace string, object v1alpha1.ObjectReference) field {
	return field{namespace, v1alpha1.ObjectReference{APIVersion: object.APIVersion, Kind: object.Kind}, removal}
}

// note remembers a correction.
func (h *history) note(key field, now time.Time) { h.at[key] = append(h.recent(key, now), now) }

// recent drops the corrections that have left the window, and those that are later than now: the
// clock has been set back, and waiting until it has caught up could take for ever.
func (h *history) recent(key field, now time.Time) []time.Time {
	times := slices.DeleteFunc(h.at[key], func(t time.Time) bool {
		return t.After(now) || now.Sub(t) > h.settings.Window
	})
	if len(times) == 0 {
		delete(h.at, key)
	} else {
		h.at[key] = times
	}
	return times
}

// isContested reports whether every field of a drift has been corrected too often, or the object as
// a whole.
func (h *history) isContested(namespace string, d *drift.Drift, now time.Time) bool {
	if len(h.recent(field{namespace, d.Object, ""}, now)) >= objectFactor*h.settings.Threshold {
		return true
	}
	return !slices.ContainsFunc(contestable(d), func(path string) bool {
		return len(h.recent(field{namespace, d.Object, path}, now)) < h.settings.Threshold
	})
}

// wait is how long the next correction of a field is deferred, once there were so many.
func (h *history) wait(key field, threshold int, now time.Time) time.Duration {
	recent := h.recent(key, now)
	if len(recent) < threshold {
		return 0
	}
	delay := h.settings.delay(len(recent) - threshold)
	return max(0, recent[len(recent)-1].Add(delay).Sub(now))
}
