package controllers

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/internal/drift"
	"github.com/bulwark-dev/bulwark/internal/tightening"
)

const level = "pod-security.kubernetes.io/enforce"

// levelled is the namespace shop at a Pod Security level.
func levelled(value string) *corev1.Namespace {
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shop", Labels: map[string]string{}}}
	if value != "" {
		ns.Labels[level] = value
	}
	return ns
}

func limited(cpu string) *corev1.LimitRange {
	return &corev1.LimitRange{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "bulwark-limits"},
		Spec: corev1.LimitRangeSpec{Limits: []corev1.LimitRangeItem{{
			Type: corev1.LimitTypeContainer, Max: corev1.ResourceList{"cpu": resource.MustParse(cpu)},
		}}},
	}
}

// safely is a pass of a profile that waits until it is safe, in its present generation.
func safely(change func(*v1alpha1.NamespacePosture)) *pass {
	p := aPass()
	p.profile.Spec.Rollout = v1alpha1.WhenSafe
	p.previous = compliantReport()
	change(p.previous)
	return p
}

func kept(o baseline.Object) func(*v1alpha1.NamespacePosture) {
	return func(r *v1alpha1.NamespacePosture) {
		r.InPlace = append(r.InPlace, v1alpha1.ObjectContent{Object: baseline.Reference(o), Content: contentOf(o)})
	}
}

func modified(want, got baseline.Object) drift.Drift {
	d := drift.Drift{Object: baseline.Reference(want), Change: v1alpha1.Modified, Want: want, Got: got}
	if got == nil {
		d.Change = v1alpha1.Missing
	}
	return d
}

func TestMayWait(t *testing.T) {
	newGeneration := func(r *v1alpha1.NamespacePosture) { r.ProfileGeneration-- }
	for sentence, tt := range map[string]struct {
		previous []func(*v1alpha1.NamespacePosture)
		drift    drift.Drift
		audits   bool
		want     bool
		before   baseline.Object
	}{
		"a stricter level of a new generation, where a looser one was in place": {
			previous: []func(*v1alpha1.NamespacePosture){newGeneration, kept(levelled("baseline"))},
			drift:    modified(levelled("restricted"), levelled("baseline")), want: true, before: levelled("baseline"),
		},
		"a level that somebody took away, in the same generation": {
			drift: modified(levelled("restricted"), levelled("privileged")),
		},
		"a level that was in place by the last report, though the generation is new": {
			previous: []func(*v1alpha1.NamespacePosture){newGeneration, kept(levelled("restricted"))},
			drift:    modified(levelled("restricted"), levelled("privileged")),
		},
		"what somebody loosened while it waits is held against what was in place": {
			previous: []func(*v1alpha1.NamespacePosture){newGeneration, kept(levelled("baseline"))},
			drift:    modified(levelled("restricted"), levelled("privileged")), want: true, before: levelled("baseline"),
		},
		"without a memory, what is found": {
			previous: []func(*v1alpha1.NamespacePosture){newGeneration},
			drift:    modified(levelled("restricted"), levelled("baseline")), want: true, before: levelled("baseline"),
		},
		"a looser level waits for nothing": {
			previous: []func(*v1alpha1.NamespacePosture){newGeneration, kept(levelled("restricted"))},
			drift:    modified(levelled("baseline"), levelled("restricted")),
		},
		"what waits already may wait on": {
			previous: []func(*v1alpha1.NamespacePosture){kept(limited("4")), func(r *v1alpha1.NamespacePosture) { r.Objects[1].State = v1alpha1.ObjectBlocked }},
			drift:    modified(limited("1"), limited("64")), want: true, before: limited("4"),
		},
		"what waits and was not there before": {
			previous: []func(*v1alpha1.NamespacePosture){func(r *v1alpha1.NamespacePosture) {
				r.Objects[1].State = v1alpha1.ObjectBlocked
				r.InPlace = []v1alpha1.ObjectContent{{Object: reference("LimitRange", "bulwark-limits")}}
			}},
			drift: modified(limited("1"), nil), want: true,
		},
		"a memory that nobody can read is none": {
			previous: []func(*v1alpha1.NamespacePosture){newGeneration, func(r *v1alpha1.NamespacePosture) {
				r.InPlace = []v1alpha1.ObjectContent{{Object: reference("LimitRange", "bulwark-limits"), Content: "{"}}
			}},
			drift: modified(limited("1"), limited("2")), want: true, before: limited("2"),
		},
		"another maker's object is none of it": {
			previous: []func(*v1alpha1.NamespacePosture){newGeneration},
			drift:    drift.Drift{Object: reference("LimitRange", "bulwark-limits"), Change: v1alpha1.Modified, Foreign: true, Want: limited("1"), Got: limited("2")},
		},
		"what should not be there is none of it": {
			drift: drift.Drift{Object: reference("LimitRange", "bulwark-limits"), Change: v1alpha1.Unexpected, Got: limited("2")},
		},
		"under Audit it would": {
			audits: true, drift: modified(levelled("restricted"), levelled("")), want: true, before: levelled(""),
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			p := safely(func(r *v1alpha1.NamespacePosture) {
				for _, change := range tt.previous {
					change(r)
				}
			})
			if tt.audits {
				p.profile.Spec.Enforcement, p.previous.Enforcement = v1alpha1.Audit, v1alpha1.Audit
			}
			candidates := p.mayWait([]drift.Drift{tt.drift})
			if got := len(candidates) == 1; got != tt.want {
				t.Fatalf("may wait: want %t, got %t", tt.want, got)
			}
			if !tt.want {
				return
			}
			var before, want string
			if candidates[0].before != nil {
				before = contentOf(candidates[0].before)
			}
			if tt.before != nil {
				want = contentOf(tt.before)
			}
			if diff := cmp.Diff(want, before); diff != "" {
				t.Errorf("what is in place (-want +got):\n%s", diff)
			}
		})
	}
}

func TestInterim(t *testing.T) {
	ours := func(baseline.Object) bool { return true }
	none := func(w *waiting) []drift.Drift { return w.interim(ours) }
	t.Run("what is in place stays as it is", func(t *testing.T) {
		w := &waiting{Drift: modified(limited("1"), limited("4")), before: limited("4")}
		if drifts := none(w); len(drifts) != 0 {
			t.Errorf("got %v", drifts)
		}
	})
	t.Run("what was in place comes back", func(t *testing.T) {
		w := &waiting{Drift: modified(limited("1"), limited("64")), before: limited("4")}
		drifts := none(w)
		if len(drifts) != 1 || contentOf(drifts[0].Want) != contentOf(limited("4")) {
			t.Errorf("got %v", drifts)
		}
	})
	t.Run("what was not there is not made", func(t *testing.T) {
		if drifts := none(&waiting{Drift: modified(limited("1"), nil)}); len(drifts) != 0 {
			t.Errorf("got %v", drifts)
		}
	})
	t.Run("a level warns and audits", func(t *testing.T) {
		drifts := none(&waiting{Drift: modified(levelled("restricted"), levelled("baseline")), before: levelled("baseline")})
		if len(drifts) != 1 || drifts[0].Want.GetLabels()[level] != "baseline" || drifts[0].Want.GetLabels()["pod-security.kubernetes.io/warn"] != "restricted" {
			t.Errorf("got %v", drifts)
		}
	})
}

func TestRememberWhatIsInPlace(t *testing.T) {
	refused := &tightening.Refused{Reasons: []string{"web"}}
	for sentence, tt := range map[string]struct {
		previous func(*v1alpha1.NamespacePosture)
		held     *waiting
		outcomes []drift.Outcome
		change   func(*v1alpha1.SecurityProfile)
		want     string // the content that is remembered of the LimitRange
		known    bool
	}{
		"what is as declared": {want: contentOf(limited("1")), known: true},
		"what was corrected":  {outcomes: []drift.Outcome{outcomeOf("bulwark-limits", v1alpha1.Modified, v1alpha1.Corrected)}, want: contentOf(limited("1")), known: true},
		"what is held":        {held: &waiting{Drift: modified(limited("1"), limited("4")), before: limited("4"), refused: refused}, want: contentOf(limited("4")), known: true},
		"that nothing is":     {held: &waiting{Drift: modified(limited("1"), nil), refused: refused}, known: true},
		"what was, if the API server refused the new": {
			previous: kept(limited("4")), outcomes: []drift.Outcome{outcomeOf("bulwark-limits", v1alpha1.Modified, v1alpha1.Present)},
			want: contentOf(limited("4")), known: true,
		},
		"nothing, if it refused the first": {outcomes: []drift.Outcome{outcomeOf("bulwark-limits", v1alpha1.Missing, v1alpha1.Present)}},
		"nothing, where nothing waits":     {change: func(p *v1alpha1.SecurityProfile) { p.Spec.Rollout = v1alpha1.Immediate }},
		"nothing under Audit":              {change: func(p *v1alpha1.SecurityProfile) { p.Spec.Enforcement = v1alpha1.Audit }},
	} {
		t.Run(sentence, func(t *testing.T) {
			p := safely(func(r *v1alpha1.NamespacePosture) {
				if tt.previous != nil {
					tt.previous(r)
				}
			})
			if tt.change != nil {
				tt.change(p.profile)
			}
			if tt.held != nil {
				p.block(tt.held)
			}
			p.previous.InPlace = p.remember([]baseline.Object{levelled("baseline"), limited("1")}, tt.outcomes)
			before, known := p.inPlace(limited("1"))
			if known != tt.known {
				t.Fatalf("remembered: want %t, got %t", tt.known, known)
			}
			got := ""
			if before != nil {
				got = contentOf(before)
			}
			if got != tt.want {
				t.Errorf("want %q, got %q", tt.want, got)
			}
		})
	}
}

func TestWhatIsTooLargeIsNotRemembered(t *testing.T) {
	large := limited("1")
	for range 2000 {
		large.Spec.Limits = append(large.Spec.Limits, large.Spec.Limits[0])
	}
	p := safely(func(*v1alpha1.NamespacePosture) {})
	if contents := p.remember([]baseline.Object{large}, nil); len(contents) != 0 {
		t.Errorf("remembered in %d characters", len(contents[0].Content))
	}
}

func TestWhatCannotBeToldWaits(t *testing.T) {
	if refused := unknown(errors.New("no route")); refused.Empty() || !strings.Contains(refused.Message(), "no route") {
		t.Errorf("got %v", refused)
	}
}

// FuzzInPlace reads what a report says to be in place: whoever can write a report must not break the operator by it.
func FuzzInPlace(f *testing.F) {
	f.Add(contentOf(levelled("baseline")), contentOf(limited("1")))
	f.Add("{", `{"limits":[{"type":"Container","max":{"cpu":"1e99999999"}}]}`)
	f.Add("null", `{"hard":{"pods":"x"}}`)
	f.Fuzz(func(t *testing.T, labels, spec string) {
		p := safely(func(r *v1alpha1.NamespacePosture) {
			for ref, content := range map[v1alpha1.ObjectReference]string{
				reference("Namespace", "shop"): labels, reference("LimitRange", "bulwark-limits"): spec, reference("ResourceQuota", "bulwark-compute"): spec,
			} {
				r.InPlace = append(r.InPlace, v1alpha1.ObjectContent{Object: ref, Content: content})
			}
			r.ProfileGeneration--
		})
		for _, want := range []baseline.Object{
			levelled("restricted"), limited("1"), &corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "bulwark-compute"}},
		} {
			for _, w := range p.mayWait([]drift.Drift{modified(want, nil)}) {
				w.interim(p.ours)
				if w.before != nil {
					again := baseline.KindOf(want).New()
					if err := readContent(again, contentOf(w.before)); err != nil {
						t.Errorf("what was read cannot be read again: %v", err)
					}
					if diff := cmp.Diff(contentOf(w.before), contentOf(again), cmpopts.EquateEmpty()); diff != "" {
						t.Errorf("read again (-first +then):\n%s", diff)
					}
				}
			}
		}
	})
}
