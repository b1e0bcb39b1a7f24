package controllers

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/admission"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/internal/clusteraccess/boundedcache"
	"github.com/bulwark-dev/bulwark/internal/counting"
	"github.com/bulwark-dev/bulwark/internal/drift"
)

var small = reference("ResourceQuota", "bulwark-small")

func waitingCount() quotaCount {
	return quotaCount{ref: small, Counting: counting.Counting{Waiting: []corev1.ResourceName{"pods"}}}
}

func neverCount() quotaCount {
	return quotaCount{ref: small, Counting: counting.Counting{Never: []corev1.ResourceName{"count/jobs"}}}
}

func TestPatience(t *testing.T) {
	other := quotaCount{ref: reference("ResourceQuota", "bulwark-other"), Counting: counting.Counting{Waiting: []corev1.ResourceName{"pods"}}}
	written := waitingCount()
	written.written = true
	for sentence, tt := range map[string]struct {
		of     quotaCount
		after  time.Duration
		others []time.Duration // when another quota was counted
		want   time.Duration
	}{
		"one that is seen for the first time":                        {of: waitingCount(), want: countPatience},
		"one that was written just now":                              {of: written, after: time.Hour, want: countPatience},
		"one that has waited a second":                               {of: waitingCount(), after: time.Second, want: countPatience - time.Second},
		"one that has waited long, and nothing is counted":           {of: waitingCount(), after: countPatience},
		"one that has waited long, while others are counted":         {of: waitingCount(), after: 8 * time.Second, others: []time.Duration{7 * time.Second}, want: 8 * time.Second},
		"one that has waited long, and others were counted before":   {of: waitingCount(), after: 8 * time.Second, others: []time.Duration{5 * time.Second}},
		"one that has waited almost the longest":                     {of: waitingCount(), after: longestPatience - time.Second, others: []time.Duration{longestPatience - 2*time.Second}, want: time.Second},
		"one that has waited the longest":                            {of: waitingCount(), after: longestPatience, others: []time.Duration{longestPatience - time.Second}},
		"one that will never be counted is not waited for that long": {of: neverCount(), after: 8 * time.Second, others: []time.Duration{7 * time.Second}},
		"the clock was set back":                                     {of: waitingCount(), after: -time.Hour, want: countPatience},
		"the clock was set back, and others were counted later":      {of: waitingCount(), after: countPatience, others: []time.Duration{time.Hour}},
	} {
		t.Run(sentence, func(t *testing.T) {
			w := newCountWatch()
			first := tt.of
			first.written = false
			w.observe("shop", []quotaCount{first}, noon)
			for _, at := range tt.others {
				w.observe("till", []quotaCount{other}, noon.Add(at))
				w.observe("till", []quotaCount{{ref: other.ref}}, noon.Add(at))
			}
			now := noon.Add(tt.after)
			w.observe("shop", []quotaCount{tt.of}, now)
			if got := w.patience("shop", &tt.of, now); got != tt.want {
				t.Errorf("want %s, got %s", tt.want, got)
			}
		})
	}
}

func TestWithholds(t *testing.T) {
	fresh := func(q quotaCount) []quotaCount { q.fresh = true; return []quotaCount{q} }
	made := []drift.Outcome{{Drift: drift.Drift{Object: small, Change: v1alpha1.Missing}, State: v1alpha1.Corrected}}
	recorded := []drift.Outcome{{Drift: drift.Drift{Object: small, Change: v1alpha1.Modified}, State: v1alpha1.Corrected, Recorded: true}}
	refused := []drift.Outcome{{Drift: drift.Drift{Object: small, Change: v1alpha1.Missing}, State: v1alpha1.Present}}
	says := func(state v1alpha1.ObjectState) *v1alpha1.NamespacePosture {
		return &v1alpha1.NamespacePosture{
			Profile: "a", Enforcement: v1alpha1.Enforce, Objects: []v1alpha1.ManagedObject{{ObjectReference: small, State: state}},
		}
	}
	older := says(v1alpha1.ObjectCompliant)
	older.ProfileGeneration = 7
	for sentence, tt := range map[string]struct {
		previous *v1alpha1.NamespacePosture
		outcomes []drift.Outcome
		counts   []quotaCount
		want     bool
		again    bool
	}{
		"a report that was withheld before, of nothing new": {outcomes: nil, counts: fresh(waitingCount()), want: true, again: true},
		"a report that was withheld before, while somebody changes what it is of": {
			outcomes: made, counts: fresh(quotaCount{ref: small, written: true}), again: true},
		"the first report, with a quota that was made just now":  {previous: nil, outcomes: made, counts: fresh(quotaCount{ref: small, written: true}), want: true},
		"the first report, with a quota that is not counted yet": {previous: nil, outcomes: nil, counts: fresh(waitingCount()), want: true},
		"a report on another generation":                         {previous: older, outcomes: made, counts: fresh(waitingCount()), want: true},
		"a quota that is put in place at last":                   {previous: says(v1alpha1.ObjectBlocked), outcomes: made, counts: fresh(waitingCount()), want: true},
		"all is counted":                                         {previous: nil, outcomes: made, counts: []quotaCount{{ref: small}}, want: false},
		"it has lasted":                                          {previous: nil, outcomes: nil, counts: []quotaCount{waitingCount()}, want: false},
		"it was in place, and goes on being so":                  {previous: says(v1alpha1.ObjectCompliant), outcomes: nil, counts: fresh(waitingCount()), want: false},
		"it was said before":                                     {previous: says(v1alpha1.ObjectUncounted), outcomes: nil, counts: fresh(waitingCount()), want: false},
		"there is something to record":                           {previous: nil, outcomes: recorded, counts: fresh(waitingCount()), want: false},
		"something was refused":                                  {previous: nil, outcomes: refused, counts: fresh(waitingCount()), want: false},
	} {
		t.Run(sentence, func(t *testing.T) {
			p := &pass{
				profile:   &v1alpha1.SecurityProfile{ObjectMeta: metav1.ObjectMeta{Name: "a"}},
				namespace: &corev1.Namespace{}, previous: tt.previous,
			}
			if got := p.withholds(tt.counts, tt.outcomes, tt.again); got != tt.want {
				t.Errorf("want %t", tt.want)
			}
		})
	}
}

func TestReportsSayWhatIsNotCounted(t *testing.T) {
	blocked := v1alpha1.ManagedObject{ObjectReference: small, State: v1alpha1.ObjectBlocked, Message: "waits"}
	compliant := v1alpha1.ManagedObject{ObjectReference: small, State: v1alpha1.ObjectCompliant}
	uncounted := v1alpha1.ManagedObject{ObjectReference: small, State: v1alpha1.ObjectUncounted, Message: "said before"}
	fresh, written := waitingCount(), quotaCount{ref: small, written: true}
	fresh.fresh = true
	for sentence, tt := range map[string]struct {
		before *v1alpha1.ManagedObject // in the last report
		object v1alpha1.ManagedObject
		count  quotaCount
		state  v1alpha1.ObjectState
		says   string
	}{
		"it is counted":       {nil, compliant, quotaCount{ref: small}, v1alpha1.ObjectCompliant, ""},
		"it is not counted":   {nil, compliant, waitingCount(), v1alpha1.ObjectUncounted, "has not counted pods yet"},
		"it is never counted": {nil, compliant, neverCount(), v1alpha1.ObjectUncounted, "count/jobs (it is count/jobs.batch)"},
		"it was in place, and it is too early to tell": {&compliant, compliant, fresh, v1alpha1.ObjectCompliant, ""},
		"it was in place, and that is long ago":        {&compliant, compliant, waitingCount(), v1alpha1.ObjectUncounted, "has not counted pods yet"},
		"it is written again, and was not counted":     {&uncounted, compliant, written, v1alpha1.ObjectUncounted, "said before"},
		"what is in its place is kept":                 {nil, blocked, waitingCount(), v1alpha1.ObjectBlocked, "waits"},
	} {
		t.Run(sentence, func(t *testing.T) {
			p := &pass{namespace: &corev1.Namespace{}, profile: &v1alpha1.SecurityProfile{ObjectMeta: metav1.ObjectMeta{Name: "a"}}}
			if tt.before != nil {
				p.previous = &v1alpha1.NamespacePosture{Profile: "a", Enforcement: v1alpha1.Enforce, Objects: []v1alpha1.ManagedObject{*tt.before}}
			}
			report := &v1alpha1.NamespacePosture{Ready: true, Objects: []v1alpha1.ManagedObject{tt.object}}
			count(&report.Summary, tt.object.State)
			p.setUncounted(report, []quotaCount{tt.count})
			got := report.Objects[0]
			if got.State != tt.state || !strings.Contains(got.Message, tt.says) {
				t.Errorf("want %s, %q, got %+v", tt.state, tt.says, got)
			}
			var want v1alpha1.PostureSummary
			count(&want, tt.state)
			if diff := cmp.Diff(want, report.Summary); diff != "" {
				t.Errorf("summary (-want +got):\n%s", diff)
			}
			if ready := tt.state != v1alpha1.ObjectUncounted; report.Ready != ready {
				t.Errorf("ready: %t", report.Ready)
			}
			if !wasInPlace(&v1alpha1.NamespacePosture{Enforcement: v1alpha1.Enforce, InPlace: []v1alpha1.ObjectContent{{Object: small, Content: "{}"}}}, got) {
				t.Error("it does not count as ours")
			}
		})
	}
}

func TestProfilesSayWhatIsNotCounted(t *testing.T) {
	profile := &v1alpha1.SecurityProfile{ObjectMeta: metav1.ObjectMeta{Name: "strict", Generation: 4}}
	uncounted := func(message string) *v1alpha1.NamespacePosture {
		report := compliantReport()
		report.Ready = false
		report.Summary = v1alpha1.PostureSummary{Compliant: 1, Uncounted: 1}
		report.Objects = []v1alpha1.ManagedObject{{ObjectReference: small, State: v1alpha1.ObjectUncounted, Message: message}}
		return report
	}
	waiting, never := waitingCount(), neverCount()
	for sentence, tt := range map[string]struct {
		message string
		stalled bool
	}{
		"kube-controller-manager does not run": {waiting.Sentence(), false},
		"a group is missing":                   {never.Sentence(), true},
	} {
		t.Run(sentence, func(t *testing.T) {
			var namespaces []corev1.Namespace
			reports := map[string]*v1alpha1.NamespacePosture{}
			for _, name := range []string{"shop", "till"} {
				namespaces = append(namespaces, corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}})
				reports[name] = uncounted(tt.message)
				reports[name].Namespace, reports[name].ProfileGeneration = name, profile.Generation
			}
			status := summarize(profile, selectorOf(profile), namespaces, reports, nil, &admission.Report{}, noon)
			if want := (v1alpha1.NamespaceCounts{Selected: 2, Uncounted: 2}); status.Namespaces != want {
				t.Errorf("counts %+v", status.Namespaces)
			}
			ready := meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionReady)
			if ready.Status != metav1.ConditionFalse || ready.Reason != v1alpha1.ReasonUncounted ||
				strings.Count(ready.Message, tt.message) != 1 || !strings.Contains(ready.Message, "shop, till") {
				t.Errorf("%+v", ready)
			}
			for condition, want := range map[string]bool{v1alpha1.ConditionStalled: tt.stalled, v1alpha1.ConditionReconciling: !tt.stalled} {
				if got := meta.IsStatusConditionTrue(status.Conditions, condition); got != want {
					t.Errorf("%s is %t", condition, got)
				}
			}
		})
	}
}

// A watch must lead to a pass when a quota is counted or exceeded, and not for usage.
func TestOnlyWhatIsCountedAndExceededIsHeardOf(t *testing.T) {
	kind := baseline.KindOf(&corev1.ResourceQuota{})
	pods := func(n string) corev1.ResourceList { return corev1.ResourceList{"pods": resource.MustParse(n)} }
	cached := func(status corev1.ResourceQuotaStatus) *corev1.ResourceQuota {
		quota, err := boundedcache.StripExclusive(&corev1.ResourceQuota{Spec: corev1.ResourceQuotaSpec{Hard: pods("2")}, Status: status})
		if err != nil {
			t.Fatal(err)
		}
		return quota.(*corev1.ResourceQuota)
	}
	none, idle := corev1.ResourceQuotaStatus{}, corev1.ResourceQuotaStatus{Hard: pods("2"), Used: pods("0")}
	full, over := corev1.ResourceQuotaStatus{Hard: pods("2"), Used: pods("2")}, corev1.ResourceQuotaStatus{Hard: pods("2"), Used: pods("3")}
	far, raised := corev1.ResourceQuotaStatus{Hard: pods("2"), Used: pods("300")}, corev1.ResourceQuotaStatus{Hard: pods("9"), Used: pods("3")}
	for sentence, tt := range map[string]struct {
		before, after corev1.ResourceQuotaStatus
		want          bool
	}{
		"it is counted":                        {none, idle, true},
		"its count is lost":                    {full, none, true},
		"it is used":                           {idle, full, false},
		"it is exceeded":                       {full, over, true},
		"it is exceeded further":               {over, far, false},
		"it is exceeded no more":               {far, full, true},
		"somebody raises what is in force":     {full, raised, true},
		"nothing changes but the usage of one": {over, over, false},
	} {
		t.Run(sentence, func(t *testing.T) {
			e := event.UpdateEvent{ObjectOld: cached(tt.before), ObjectNew: cached(tt.after)}
			if got := contentChanged(kind).Update(e); got != tt.want {
				t.Errorf("want %t", tt.want)
			}
		})
	}
}

func TestQuotasAreMadeAfterWhatTheyMayCount(t *testing.T) {
	for sentence, tt := range map[string]struct {
		of   drift.Drift
		want int
	}{
		"a quota that is missing":                 {drift.Drift{Object: small, Change: v1alpha1.Missing}, quotasTurn},
		"a quota that differs":                    {drift.Drift{Object: small, Change: v1alpha1.Modified}, firstTurn},
		"a quota that should not exist":           {drift.Drift{Object: small, Change: v1alpha1.Unexpected}, removalsTurn},
		"a service account that should not exist": {drift.Drift{Object: reference("ServiceAccount", "bulwark-app"), Change: v1alpha1.Unexpected}, lastTurn},
		"a role that is missing":                  {drift.Drift{Object: reference("Role", "bulwark-dev"), Change: v1alpha1.Missing}, firstTurn},
		"a role that should not exist":            {drift.Drift{Object: reference("Role", "bulwark-dev"), Change: v1alpha1.Unexpected}, removalsTurn},
		"the labels of a namespace changed":       {drift.Drift{Object: reference("Namespace", "shop"), Change: v1alpha1.Modified}, firstTurn},
	} {
		t.Run(sentence, func(t *testing.T) {
			if got := turnOf(tt.of); got != tt.want {
				t.Errorf("want %d, got %d", tt.want, got)
			}
		})
	}
}
