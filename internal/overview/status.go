package overview

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
)

// The longest lists of a screen that does not show all.
const (
	mostDrift      = 5
	mostNamespaces = 20
)

// Fleet is what the screen of a cluster shows.
type Fleet struct {
	Profiles []v1alpha1.SecurityProfile
	// Namespaces are rows of reports; none if no report was read.
	Namespaces []Namespace
	// All says that the whole of each list is shown.
	All bool
}

// Namespace is what one row shows of a report.
type Namespace struct {
	Name, Profile string
	Generation    int64
	Summary       v1alpha1.PostureSummary
	State         string
}

// NamespaceOf is the row of a report.
func NamespaceOf(report *v1alpha1.NamespacePosture) Namespace {
	n := Namespace{
		Name: report.Namespace, Profile: report.Profile, Generation: report.ProfileGeneration, Summary: report.Summary,
	}
	for _, state := range states {
		if state.count(&n.Summary) > 0 {
			n.State = state.name
			return n
		}
	}
	n.State = "Compliant"
	return n
}

// states are those of a namespace that is not compliant, the worst first.
var states = []struct {
	name  string
	count func(*v1alpha1.PostureSummary) int32
}{
	{"Failed", func(s *v1alpha1.PostureSummary) int32 { return s.Failed }},
	{"Conflict", func(s *v1alpha1.PostureSummary) int32 { return s.Conflicted }},
	{"Contested", func(s *v1alpha1.PostureSummary) int32 { return s.Contested }},
	{"Drifted", func(s *v1alpha1.PostureSummary) int32 { return s.Drifted }},
	{"Uncounted", func(s *v1alpha1.PostureSummary) int32 { return s.Uncounted }},
	{"Blocked", func(s *v1alpha1.PostureSummary) int32 { return s.Blocked }},
	{"Weakened", func(s *v1alpha1.PostureSummary) int32 { return s.Findings }},
}

// IsCompliant reports whether a profile's status says of its present spec that it is in place and
// that every governed namespace is compliant.
func IsCompliant(p *v1alpha1.SecurityProfile) bool {
	return p.Status.ObservedGeneration == p.Generation &&
		meta.IsStatusConditionTrue(p.Status.Conditions, v1alpha1.ConditionReady) &&
		meta.IsStatusConditionTrue(p.Status.Conditions, v1alpha1.ConditionCompliant)
}

// Status is the screen of some profiles.
func Status(fleet *Fleet, view View) string {
	s := &screen{view: view}
	s.profiles(fleet.Profiles)
	s.namespaces(fleet)
	s.findings(fleet.Profiles)
	drift, total := []v1alpha1.DriftEntry(nil), int64(0)
	for i := range fleet.Profiles {
		drift = append(drift, fleet.Profiles[i].Status.Drift...)
		total += fleet.Profiles[i].Status.DriftTotal
	}
	slices.SortStableFunc(drift, func(a, b v1alpha1.DriftEntry) int { return b.ObservedAt.Compare(a.ObservedAt.Time) })
	most := mostDrift
	if fleet.All {
		most = v1alpha1.MaxDrift
	}
	s.drift(drift, total, most, false)
	return s.String()
}

func (s *screen) profiles(profiles []v1alpha1.SecurityProfile) {
	var rows [][]string
	for i := range profiles {
		p := &profiles[i]
		compliant := "no"
		if IsCompliant(p) {
			compliant = "yes"
		}
		n := p.Status.Namespaces
		rows = append(rows, []string{
			p.Name, string(p.EffectiveEnforcement()), compliant, fmt.Sprintf("%d/%d", n.Compliant, n.Selected), others(n),
		})
	}
	s.table([]string{"PROFILE", "MODE", "COMPLIANT", "NAMESPACES", "OTHERS"}, rows)
	for i := range profiles {
		for _, why := range reasons(&profiles[i]) {
			s.text(2, profiles[i].Name+": "+why)
		}
	}
}

// others are the namespaces that are not compliant, in words.
func others(n v1alpha1.NamespaceCounts) string {
	var words []string
	for _, c := range []struct {
		count int32
		state string
	}{
		{n.Failed, "failed"}, {n.Conflicted, "conflicted"}, {n.Drifted, "drifted"}, {n.Contested, "of them contested"},
		{n.Uncounted, "uncounted"}, {n.Blocked, "blocked"}, {n.Weakened, "weakened"}, {n.Pending, "pending"},
		{n.Overridden, "overridden"},
	} {
		if c.count > 0 {
			words = append(words, fmt.Sprintf("%d %s", c.count, c.state))
		}
	}
	return strings.Join(words, ", ")
}

// reasons are why a profile is not compliant, each sentence once.
func reasons(p *v1alpha1.SecurityProfile) []string {
	if IsCompliant(p) {
		return nil
	}
	var why []string
	if p.Status.ObservedGeneration != p.Generation {
		why = append(
			why,
			fmt.Sprintf("the status is of generation %d, the spec is of %d: the operator has yet to look at it "+
				"(is it running?)", p.Status.ObservedGeneration, p.Generation),
		)
	}
	for _, kind := range []string{v1alpha1.ConditionStalled, v1alpha1.ConditionReady, v1alpha1.ConditionCompliant} {
		c := meta.FindStatusCondition(p.Status.Conditions, kind)
		bad := c != nil && c.Message != "" && (c.Status == "True") == (kind == v1alpha1.ConditionStalled)
		if bad && !slices.Contains(why, c.Message) {
			why = append(why, c.Message)
		}
	}
	return why
}

func (s *screen) namespaces(fleet *Fleet) {
	if len(fleet.Namespaces) == 0 {
		return
	}
	rank := map[string]int{"Compliant": len(states)}
	for i, state := range states {
		rank[state.name] = i
	}
	sorted := slices.SortedFunc(slices.Values(fleet.Namespaces), func(a, b Namespace) int {
		return cmp.Or(cmp.Compare(rank[a.State], rank[b.State]), cmp.Compare(a.Name, b.Name))
	})
	generations := map[string]int64{}
	for i := range fleet.Profiles {
		generations[fleet.Profiles[i].Name] = fleet.Profiles[i].Generation
	}
	shown := len(sorted)
	if !fleet.All {
		shown = min(shown, mostNamespaces)
	}
	var rows [][]string
	for _, n := range sorted[:shown] {
		rows = append(rows, []string{n.Name, n.Profile, n.State, n.counts(generations)})
	}
	s.title("NAMESPACES")
	s.table([]string{"NAMESPACE", "PROFILE", "STATE", "WHAT"}, rows)
	if shown < len(sorted) {
		s.text(0, fmt.Sprintf("… and %d more: --all shows them", len(sorted)-shown))
	}
}

// counts are what is not compliant in a namespace, in words.
func (n *Namespace) counts(generations map[string]int64) string {
	var words []string
	for _, state := range states {
		name := strings.ToLower(state.name)
		if name == "weakened" {
			name = "findings"
		}
		if count := state.count(&n.Summary); count > 0 {
			words = append(words, fmt.Sprintf("%d %s", count, name))
		}
	}
	if of, known := generations[n.Profile]; known && of != n.Generation {
		words = append(words, fmt.Sprintf("of generation %d, not %d", n.Generation, of))
	}
	return strings.Join(words, ", ")
}

func (s *screen) findings(profiles []v1alpha1.SecurityProfile) {
	counts := map[v1alpha1.Severity]map[v1alpha1.FindingID]int32{}
	for i := range profiles {
		for _, f := range profiles[i].Status.FindingTotals {
			if counts[f.Severity] == nil {
				counts[f.Severity] = map[v1alpha1.FindingID]int32{}
			}
			counts[f.Severity][f.ID] += f.Count
		}
	}
	if len(counts) == 0 {
		return
	}
	gravest := []v1alpha1.Severity{
		v1alpha1.SeverityCritical, v1alpha1.SeverityHigh, v1alpha1.SeverityMedium, v1alpha1.SeverityLow,
	}
	for _, severity := range slices.Sorted(maps.Keys(counts)) { // Later releases may add some.
		if !slices.Contains(gravest, severity) {
			gravest = append(gravest, severity)
		}
	}
	var rows [][]string
	for _, severity := range gravest {
		var words []string
		total := int32(0)
		for _, id := range slices.Sorted(maps.Keys(counts[severity])) {
			words = append(words, fmt.Sprintf("%d %s", counts[severity][id], id))
			total += counts[severity][id]
		}
		if total > 0 {
			rows = append(rows, []string{string(severity), fmt.Sprint(total), strings.Join(words, ", ")})
		}
	}
	s.title("FINDINGS")
	s.table([]string{"SEVERITY", "COUNT", "WHAT"}, rows)
}
