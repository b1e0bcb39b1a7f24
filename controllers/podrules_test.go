package controllers

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/admission"
	"github.com/bulwark-dev/bulwark/internal/admission/offline"
	"github.com/bulwark-dev/bulwark/internal/drift"
	"github.com/bulwark-dev/bulwark/internal/selection"
)

// ruled is a profile with a section of rules for pods, and the section.
func ruled(p *v1alpha1.SecurityProfile) admission.PodSection {
	p.Spec.Rollout = v1alpha1.WhenSafe
	p.Spec.Images = &v1alpha1.Images{RequireDigest: true}
	return admission.PodSections(p)[0]
}

func TestRulesInForce(t *testing.T) {
	remembers := func(profile, content string) func(*pass, *admission.PodSection) {
		return func(p *pass, s *admission.PodSection) {
			p.previous.Profile = profile
			p.previous.InPlace = []v1alpha1.ObjectContent{{Object: s.Policy(profile), Content: content}}
		}
	}
	for sentence, tc := range map[string]struct {
		change func(*pass, *admission.PodSection)
		want   string // declared are those that are declared
		known  bool
	}{
		"what the report remembers":                          {remembers("restricted", "before"), "before", true},
		"that nothing was":                                   {remembers("restricted", ""), "", true},
		"what another profile left":                          {remembers("another", "theirs"), "theirs", true},
		"before the first report nothing was":                {func(p *pass, _ *admission.PodSection) { p.previous = nil }, "", false},
		"without a memory, of this generation, the declared": {func(*pass, *admission.PodSection) {}, "declared", false},
		"without a memory, of another generation, nothing":   {func(p *pass, _ *admission.PodSection) { p.previous.ProfileGeneration-- }, "", false},
		"under Audit nothing": {func(p *pass, s *admission.PodSection) {
			remembers("restricted", "before")(p, s)
			p.profile.Spec.Enforcement = v1alpha1.Audit
		}, "", false},
	} {
		t.Run(sentence, func(t *testing.T) {
			p := safely(func(*v1alpha1.NamespacePosture) {})
			section := ruled(p.profile)
			tc.change(p, &section)
			got, known := p.rulesInForce(&section)
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
		section podSection
		fields  []drift.Field
		want    bool
	}{
		"a section that waited is put in force": {section: podSection{waited: true}, fields: []drift.Field{field(v1alpha1.ImagesLabel)}, want: true},
		"a section is remembered for the first time": {
			section: podSection{unknown: true}, fields: []drift.Field{field(v1alpha1.ImagesLabel)}, want: true,
		},
		"the label of one that is in force was changed": {fields: []drift.Field{field(v1alpha1.ImagesLabel)}},
		"the label of one that waits was changed":       {section: podSection{waited: true, inForce: "x"}, fields: []drift.Field{field(v1alpha1.ImagesLabel)}},
		"another label was changed too":                 {section: podSection{waited: true}, fields: []drift.Field{field(v1alpha1.ImagesLabel), field(level)}},
		"nothing was changed":                           {section: podSection{waited: true}},
	} {
		t.Run(sentence, func(t *testing.T) {
			p := safely(func(*v1alpha1.NamespacePosture) {})
			section := ruled(p.profile)
			s := tc.section
			s.PodSection = section
			if s.inForce == "" {
				s.inForce = section.Content
			}
			p.sections = []*podSection{&s}
			d := &drift.Drift{Object: reference("Namespace", "shop"), Change: v1alpha1.Modified, Fields: tc.fields}
			if got := p.releases(d); got != tc.want {
				t.Errorf("want %t, got %t", tc.want, got)
			}
		})
	}
}

func TestOnlyPodsThatWereAdmittedBeforeAreInTheWay(t *testing.T) {
	p := safely(func(*v1alpha1.NamespacePosture) {})
	section := ruled(p.profile)
	policy := section.Policy(p.profile.Name).Name
	s := &podSection{PodSection: section, before: &offline.Rules{}}
	seen := &podsSeen{
		broken: map[string]offline.Broken{
			"b-was-admitted": {policy: {"requireDigest: container app must", "pullPolicy: container app must"}},
			"a-was-refused":  {policy: {"requireDigest: container app must"}},
			"c-breaks-other": {"bulwark-restricted-workloads": {"runAsNonRoot: container app must"}},
		},
		admitted: map[string][]*podSection{"b-was-admitted": {s}, "c-breaks-other": {s}},
	}
	seen.refusedBy(s, p.profile.Name)
	if diff := cmp.Diff([]string{"b-was-admitted"}, s.refused.Names()); diff != "" {
		t.Errorf("(-want +got): %s", diff)
	}
	if want := "pods that run break rules of spec.images: pullPolicy, requireDigest"; s.refused.Reasons[0] != want {
		t.Errorf("want %q, got %q", want, s.refused.Reasons)
	}
}

func TestWhatWaitsIsLookedAtTwice(t *testing.T) {
	l := newLooks()
	for _, step := range []struct {
		what  string
		dirty bool
		at    time.Duration
		clean bool
	}{
		{what: "the first look", at: 0},
		{what: "another that comes too soon", at: time.Second},
		{what: "one after that time", at: 2 * time.Second, clean: true},
		{what: "the first after something was in the way", dirty: true, at: 3 * time.Second},
		{what: "the clock is set back", at: -time.Hour},
		{what: "and goes on", at: 2*time.Second - time.Hour, clean: true},
	} {
		if step.dirty {
			l.dirty("shop", "images")
		}
		if got := l.cleanFor("shop", "images", 2*time.Second, noon.Add(step.at)); got != step.clean {
			t.Errorf("%s: want %t, got %t", step.what, step.clean, got)
		}
	}
	l.dirty("shop", "images")
	if len(l.clean) != 0 {
		t.Errorf("what is over is remembered: %v", l.clean)
	}
}

func TestAPodThatShouldHaveEndedIsInNobodysWay(t *testing.T) {
	ends := func(at time.Time) *corev1.Pod {
		return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{DeletionTimestamp: &metav1.Time{Time: at}}}
	}
	if isOverdue(&corev1.Pod{}, noon) || isOverdue(ends(noon.Add(time.Second)), noon) || !isOverdue(ends(noon.Add(-time.Second)), noon) {
		t.Error("a pod is overdue once its grace is over, and not before")
	}
}

func TestPodLooks(t *testing.T) {
	profile := aPass().profile
	section := ruled(profile)
	selector := selection.New([]v1alpha1.SecurityProfile{*profile}, nil)
	namespace := func(name string) corev1.Namespace {
		return corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: profile.Spec.NamespaceSelector.MatchLabels}}
	}
	report := func(generation int64, content string) *v1alpha1.NamespacePosture {
		return &v1alpha1.NamespacePosture{
			Profile: profile.Name, ProfileGeneration: generation, Enforcement: v1alpha1.Enforce,
			InPlace: []v1alpha1.ObjectContent{{Object: section.Policy(profile.Name), Content: content}},
		}
	}
	held := func(content string) admission.Held {
		return admission.Held{Policy: section.Policy(profile.Name).Name, Content: content}
	}
	many := map[string]*v1alpha1.NamespacePosture{}
	var most []admission.Held
	for i := range 2 * maxHeld {
		many[fmt.Sprintf("ns-%02d", i)] = report(profile.Generation, fmt.Sprintf("before-%02d", i))
		if i < maxHeld {
			most = append(most, held(fmt.Sprintf("before-%02d", i)))
		}
	}
	for sentence, tc := range map[string]struct {
		change  func(*v1alpha1.SecurityProfile)
		reports map[string]*v1alpha1.NamespacePosture
		want    podLooks
	}{
		"a namespace has no report":                     {reports: map[string]*v1alpha1.NamespacePosture{"a": nil}, want: podLooks{missing: 1}},
		"a report is of another generation":             {reports: map[string]*v1alpha1.NamespacePosture{"a": report(profile.Generation-1, section.Content)}, want: podLooks{missing: 1}},
		"all have been looked at":                       {reports: map[string]*v1alpha1.NamespacePosture{"a": report(profile.Generation, section.Content)}},
		"in one nothing is in force":                    {reports: map[string]*v1alpha1.NamespacePosture{"a": report(profile.Generation, "")}},
		"in one and another what was before":            {reports: map[string]*v1alpha1.NamespacePosture{"a": report(profile.Generation, "x"), "b": report(profile.Generation, "x")}, want: podLooks{held: []admission.Held{held("x")}}},
		"in more of them than are kept something else":  {reports: many, want: podLooks{held: most}},
		"under Immediate nobody looks first":            {change: immediately, reports: map[string]*v1alpha1.NamespacePosture{"a": nil}},
		"what is no policy of the profile's is no rule": {reports: map[string]*v1alpha1.NamespacePosture{"a": {ProfileGeneration: profile.Generation, Enforcement: v1alpha1.Enforce, InPlace: []v1alpha1.ObjectContent{{Object: reference("LimitRange", "x"), Content: "x"}}}}},
	} {
		t.Run(sentence, func(t *testing.T) {
			p := profile.DeepCopy()
			if tc.change != nil {
				tc.change(p)
			}
			var namespaces []corev1.Namespace
			for _, name := range []string{"a", "b"} {
				if _, there := tc.reports[name]; there {
					namespaces = append(namespaces, namespace(name))
				}
			}
			for i := range 2 * maxHeld {
				if name := fmt.Sprintf("ns-%02d", i); tc.reports[name] != nil {
					namespaces = append(namespaces, namespace(name))
				}
			}
			got := podLooksOf(p, selector, namespaces, tc.reports)
			if diff := cmp.Diff(tc.want, got, cmp.AllowUnexported(podLooks{})); diff != "" {
				t.Errorf("(-want +got): %s", diff)
			}
		})
	}
}

func immediately(p *v1alpha1.SecurityProfile) { p.Spec.Rollout = v1alpha1.Immediate }

func TestRulesAreCompiledOnce(t *testing.T) {
	c := newCompiledRules()
	profile := aPass().profile
	ruled(profile)
	first, err := c.of(profile)
	if err != nil {
		t.Fatal(err)
	}
	profile.Spec.Priority, profile.Generation = 7, profile.Generation+1
	if again, err := c.of(profile); err != nil || again != first {
		t.Errorf("what they do not hang on has them compiled anew: %v", err)
	}
	profile.Spec.Images.PullPolicy = corev1.PullAlways
	if other, err := c.of(profile); err != nil || other == first {
		t.Errorf("other rules are taken for the same: %v", err)
	}
	for i := range maxCompiled {
		profile.Spec.Images.DenyTags = []string{fmt.Sprint(i)}
		if _, err := c.of(profile); err != nil {
			t.Fatal(err)
		}
	}
	if len(c.rules) > maxCompiled {
		t.Errorf("%d are kept", len(c.rules))
	}
}
