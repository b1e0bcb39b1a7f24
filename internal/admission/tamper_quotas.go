package admission

import (
	"fmt"

	"github.com/bulwark-dev/bulwark/internal/baseline"
)

// countsBaseline guards the baseline from quotas of other makers that count what it consists of:
// with no room for it, the API server would keep it out. An amount that a quota grants already may
// stay, and grow.
func countsBaseline() tampering {
	var entries []string
	for _, counter := range baseline.Counters() {
		entries = append(entries, counter.Entry)
	}
	const now, before = `dyn(object).spec.?hard.orValue({})`, `dyn(oldObject).spec.?hard.orValue({})`
	return tampering{
		name: "counts",
		holds: fmt.Sprintf(`request.kind.kind == "ResourceQuota" && request.operation != "DELETE" && `+
			`%[1]s.exists(e, e in %[2]s && (oldObject == null || !(e in %[3]s) || quantity(string(%[2]s[e])).isLessThan(quantity(string(%[3]s[e])))))`,
			list(entries), now, before),
		message: "a ResourceQuota that counts what the namespace's baseline consists of could keep it out: " +
			words(entries),
	}
}
