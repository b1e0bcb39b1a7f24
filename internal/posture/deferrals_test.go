package posture

import (
	"testing"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/admission"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/internal/drift"
	"github.com/bulwark-dev/bulwark/internal/posture/posturetest"
)

// safely is a pass of a profile that defers what would refuse what runs, in its present generation.
func safely(change func(*v1alpha1.NamespacePosture)) *Pass {
	p := aPass()
	p.Profile.Spec.Rollout = v1alpha1.RolloutWhenSafe
	report := posturetest.Report()
	change(report)
	return p.With(report)
}

// ruled is a profile with a section of rules for pods, and the section.
func ruled(p *v1alpha1.SecurityProfile) admission.PodSection {
	p.Spec.Rollout = v1alpha1.RolloutWhenSafe
	p.Spec.Images = &v1alpha1.Images{Digest: v1alpha1.RequirementRequire}
	return admission.PodSections(p)[0]
}

// keeping is what is in place of the LimitRange.
func keeping(o baseline.Object) map[v1alpha1.ObjectReference]baseline.Object {
	return map[v1alpha1.ObjectReference]baseline.Object{posturetest.Reference("LimitRange", "bulwark-limits"): o}
}

func TestRulesInForce(t *testing.T) {
	remembers := func(profile, content string) func(*Pass, *admission.PodSection) {
		return func(p *Pass, s *admission.PodSection) {
			p.Report().Profile = profile
			p.Report().OperatorState.InPlace = []v1alpha1.ObjectContent{{Object: s.Policy(profile), Content: content}}
		}
	}
	for sentence, tc := range map[string]struct {
		change func(*Pass, *admission.PodSection)
		want   string // declared are those that are declared
		known  bool
	}{
		"what the report remembers":                          {remembers("restricted", "before"), "before", true},
		"that nothing was":                                   {remembers("restricted", ""), "", true},
		"what another profile left":                          {remembers("another", "theirs"), "theirs", true},
		"before the first report nothing was":                {func(p *Pass, _ *admission.PodSection) { p.Memory = Memory{} }, "", false},
		"without a memory, of this generation, the declared": {func(*Pass, *admission.PodSection) {}, "declared", false},
		"without a memory, of another generation, nothing":   {func(p *Pass, _ *admission.PodSection) { p.Report().ProfileGeneration-- }, "", false},
		"under Audit nothing": {func(p *Pass, s *admission.PodSection) {
			remembers("restricted", "before")(p, s)
			p.Profile.Spec.Enforcement = v1alpha1.EnforcementAudit
		}, "", false},
	} {
		t.Run(sentence, func(t *testing.T) {
			p := safely(func(*v1alpha1.NamespacePosture) {})
			section := ruled(p.Profile)
			tc.change(p, &section)
			got, known := p.RulesInForce(&section)
			if tc.want == "declared" {
				tc.want = section.Content
			}
			if got != tc.want || known != tc.known {
				t.Errorf("want %q (%t), got %q (%t)", tc.want, tc.known, got, known)
			}
		})
	}
}

func TestWhatAReleaseIsNotTakenFor(t *testing.T) {
	field := func(label string) drift.Field { return drift.Field{Path: []string{"metadata", "labels", label}} }
	for sentence, tc := range map[string]struct {
		section Section
		fields  []drift.Field
		want    bool
	}{
		"a section that waited is put in force": {section: Section{WasDeferred: true}, fields: []drift.Field{field(v1alpha1.ImagesLabel)}, want: true},
		"a section is remembered for the first time": {
			section: Section{Unknown: true}, fields: []drift.Field{field(v1alpha1.ImagesLabel)}, want: true,
		},
		"the label of one that is in force was changed": {fields: []drift.Field{field(v1alpha1.ImagesLabel)}},
		"the label of one that waits was changed":       {section: Section{WasDeferred: true, InForce: "x"}, fields: []drift.Field{field(v1alpha1.ImagesLabel)}},
		"another label was changed too":                 {section: Section{WasDeferred: true}, fields: []drift.Field{field(v1alpha1.ImagesLabel), field(posturetest.EnforceLabel)}},
		"nothing was changed":                           {section: Section{WasDeferred: true}},
	} {
		t.Run(sentence, func(t *testing.T) {
			p := safely(func(*v1alpha1.NamespacePosture) {})
			section := ruled(p.Profile)
			s := tc.section
			s.PodSection = section
			if s.InForce == "" {
				s.InForce = section.Content
			}
			deferred := &Deferrals{Sections: []Section{s}}
			d := &drift.Drift{
				Object: posturetest.Reference("Namespace", "shop"),
				Change: v1alpha1.DriftChangeModified,
				Fields: tc.fields,
			}
			if got := deferred.Releases(d); got != tc.want {
				t.Errorf("want %t, got %t", tc.want, got)
			}
		})
	}
}

func TestRememberWhatIsInPlace(t *testing.T) {
	for sentence, tt := range map[string]struct {
		previous func(*v1alpha1.NamespacePosture)
		kept     map[v1alpha1.ObjectReference]baseline.Object // what is in place of what is deferred
		outcomes []drift.Outcome
		change   func(*v1alpha1.SecurityProfile)
		want     string // the content that is remembered of the LimitRange
		known    bool
	}{
		"what is as declared": {want: baseline.RefusingContent(posturetest.Limited("1")), known: true},
		"what was corrected":  {outcomes: []drift.Outcome{posturetest.Outcome("bulwark-limits", v1alpha1.DriftChangeModified, v1alpha1.DriftStateCorrected)}, want: baseline.RefusingContent(posturetest.Limited("1")), known: true},
		"what is held":        {kept: keeping(posturetest.Limited("4")), want: baseline.RefusingContent(posturetest.Limited("4")), known: true},
		"that nothing is":     {kept: keeping(nil), known: true},
		"what was, if the API server refused the new": {
			previous: posturetest.Remembering(posturetest.Limited("4")), outcomes: []drift.Outcome{posturetest.Outcome("bulwark-limits", v1alpha1.DriftChangeModified, v1alpha1.DriftStatePresent)},
			want: baseline.RefusingContent(posturetest.Limited("4")), known: true,
		},
		"nothing, if it refused the first": {outcomes: []drift.Outcome{posturetest.Outcome("bulwark-limits", v1alpha1.DriftChangeMissing, v1alpha1.DriftStatePresent)}},
		"nothing, where nothing waits":     {change: func(p *v1alpha1.SecurityProfile) { p.Spec.Rollout = v1alpha1.RolloutImmediate }},
		"nothing under Audit":              {change: func(p *v1alpha1.SecurityProfile) { p.Spec.Enforcement = v1alpha1.EnforcementAudit }},
	} {
		t.Run(sentence, func(t *testing.T) {
			p := safely(func(r *v1alpha1.NamespacePosture) {
				if tt.previous != nil {
					tt.previous(r)
				}
			})
			if tt.change != nil {
				tt.change(p.Profile)
			}
			deferred := &Deferrals{Kept: tt.kept}
			desired := []baseline.Object{posturetest.Levelled("baseline"), posturetest.Limited("1")}
			p.Report().OperatorState.InPlace = deferred.contents(p, desired, tt.outcomes)
			before, known := p.Before(posturetest.Limited("1"))
			if known != tt.known {
				t.Fatalf("remembered: want %t, got %t", tt.known, known)
			}
			got := ""
			if before != nil {
				got = baseline.RefusingContent(before)
			}
			if got != tt.want {
				t.Errorf("want %q, got %q", tt.want, got)
			}
		})
	}
}

func TestWhatIsTooLargeIsNotRemembered(t *testing.T) {
	large := posturetest.Limited("1")
	for range 2000 {
		large.Spec.Limits = append(large.Spec.Limits, large.Spec.Limits[0])
	}
	p := safely(func(*v1alpha1.NamespacePosture) {})
	if contents := (&Deferrals{}).contents(p, []baseline.Object{large}, nil); len(contents) != 0 {
		t.Errorf("remembered in %d characters", len(contents[0].Content))
	}
}
