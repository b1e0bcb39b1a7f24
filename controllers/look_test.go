package controllers

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/clusteraccess"
	"github.com/bulwark-dev/bulwark/internal/findings"
)

func TestLooksAreSpreadAndComeBack(t *testing.T) {
	l := newLooks()
	due := 0
	if l.due("first", noon) && l.due("second", noon) {
		t.Error("who begins to lead looks at once, and not spread")
	}
	for i := range 1000 {
		if l.due(fmt.Sprint("ns-", i), noon.Add(lookInterval/2)) {
			due++
		}
	}
	for i := range 1000 {
		if !l.due(fmt.Sprint("ns-", i), noon.Add(lookInterval)) {
			t.Errorf("ns-%d is not looked at within an interval of the start", i)
		}
	}
	l = newLooks()
	if due < 400 || due > 600 {
		t.Errorf("%d of 1000 are looked at in the first half of the interval", due)
	}
	l.plan("shop", noon.Add(time.Minute))
	for _, step := range []struct {
		what string
		at   time.Duration
		due  bool
		left time.Duration
	}{
		{"before", 30 * time.Second, false, 30 * time.Second},
		{"the clock is set back", 30*time.Second - 2*time.Hour, false, 30 * time.Second},
		{"a moment later", 45*time.Second - 2*time.Hour, false, 15 * time.Second},
		{"then", time.Minute - 2*time.Hour, true, time.Second},
		{"the clock is set forward", 0, true, time.Second},
	} {
		if got := l.due("shop", noon.Add(step.at)); got != step.due {
			t.Errorf("%s: want due %t, got %t", step.what, step.due, got)
		}
		if got := l.until("shop", noon.Add(step.at)); got != step.left {
			t.Errorf("%s: want %s left, got %s", step.what, step.left, got)
		}
	}
}

// pages is a namespace with many pods, of which it gives a page at a time.
type pages struct {
	client.Reader
	pods, asked int
	payload     string
}

func (p *pages) List(_ context.Context, list client.ObjectList, opts ...client.ListOption) error {
	options := (&client.ListOptions{}).ApplyOptions(opts)
	from := 0
	if options.Continue != "" {
		if _, err := fmt.Sscan(options.Continue, &from); err != nil {
			return err
		}
	}
	p.asked++
	page := list.(*corev1.PodList)
	for i := from; i < min(from+int(options.Limit), p.pods); i++ {
		page.Items = append(page.Items, corev1.Pod{ObjectMeta: metav1.ObjectMeta{
			Name: fmt.Sprint("pod-", i), Annotations: map[string]string{"payload": p.payload},
		}})
	}
	if next := from + int(options.Limit); next < p.pods {
		page.Continue, page.RemainingItemCount = fmt.Sprint(next), ptr.To(int64(p.pods-next))
	}
	return nil
}

func TestPodsAreReadPageByPageUpToABound(t *testing.T) {
	const large = clusteraccess.PageBytes / 20 // Twenty such pods are a page.
	for _, tt := range []struct{ pods, size, seen, asked, unseen int }{
		{0, 0, 0, 1, 0}, {1, 0, 1, 1, 0}, {clusteraccess.FirstPage, 0, clusteraccess.FirstPage, 1, 0}, {clusteraccess.FirstPage + 1, 0, clusteraccess.FirstPage + 1, 2, 0},
		{clusteraccess.FirstPage + clusteraccess.LargestPage + 1, 0, clusteraccess.FirstPage + clusteraccess.LargestPage + 1, 3, 0},
		{maxPods, 0, maxPods, 11, 0}, {maxPods + 7, 0, maxPods, 11, 7},
		{100, large, 100, 6, 0}, {100, 2 * clusteraccess.PageBytes, 100, 10, 0},
	} {
		p := &pages{pods: tt.pods, payload: strings.Repeat("x", tt.size)}
		seen := map[string]bool{}
		unseen, err := (&NamespaceReconciler{Live: p}).eachPod(t.Context(), "shop", func(pod *corev1.Pod) { seen[pod.Name] = true })
		if err != nil {
			t.Fatal(err)
		}
		if len(seen) != tt.seen || p.asked != tt.asked || unseen != int64(tt.unseen) {
			t.Errorf("of %d pods %d were seen on %d pages, and %d were not", tt.pods, len(seen), p.asked, unseen)
		}
	}
}

func TestFindingsAreCutAndCounted(t *testing.T) {
	var found []v1alpha1.Finding
	for i := range v1alpha1.MaxFindings + 5 {
		found = append(found, v1alpha1.Finding{ID: v1alpha1.PodSecurityViolated, Severity: v1alpha1.High, Object: reference("Pod", fmt.Sprint(i))})
	}
	report := &v1alpha1.NamespacePosture{}
	setFindings(report, weaknessOf(found))
	if len(report.Findings) != v1alpha1.MaxFindings || report.Truncated != 5 || report.Summary.Findings != v1alpha1.MaxFindings+5 {
		t.Errorf("%d findings of %d, %d left out", len(report.Findings), report.Summary.Findings, report.Truncated)
	}
	if diff := cmp.Diff(findings.Total(found), report.FindingTotals); diff != "" {
		t.Errorf("totals (-want +got):\n%s", diff)
	}
}

func weaknessOf(found []v1alpha1.Finding) *weakness {
	return &weakness{found: found, totals: findings.Total(found)}
}

// TestFindingsOnPodsStay is about a pass that does not look at pods, or cannot.
func TestFindingsOnPodsStay(t *testing.T) {
	pod := func(name string) v1alpha1.Finding {
		return v1alpha1.Finding{ID: v1alpha1.PodSecurityViolated, Severity: v1alpha1.High, Object: reference("Pod", name)}
	}
	broad := v1alpha1.Finding{ID: v1alpha1.BroadBinding, Severity: v1alpha1.Critical, Object: reference("RoleBinding", "all")}
	gone := v1alpha1.Finding{ID: v1alpha1.NetworkReopened, Severity: v1alpha1.High, Object: reference("NetworkPolicy", "open")}
	p := aPass()
	p.profile.Spec.PodSecurity = &v1alpha1.PodSecurity{Enforce: "restricted"}
	p.previous = &v1alpha1.NamespacePosture{
		Findings: []v1alpha1.Finding{gone, pod("a"), pod("b")},
		FindingTotals: []v1alpha1.FindingTotal{
			{ID: v1alpha1.NetworkReopened, Severity: v1alpha1.High, Count: 1}, {ID: v1alpha1.PodSecurityViolated, Severity: v1alpha1.High, Count: 99},
		},
	}
	w := weaknessOf([]v1alpha1.Finding{broad})
	w.carry(p)
	if diff := cmp.Diff([]v1alpha1.Finding{broad, pod("a"), pod("b")}, w.found); diff != "" {
		t.Errorf("found (-want +got):\n%s", diff)
	}
	want := []v1alpha1.FindingTotal{
		{ID: v1alpha1.BroadBinding, Severity: v1alpha1.Critical, Count: 1}, {ID: v1alpha1.PodSecurityViolated, Severity: v1alpha1.High, Count: 99},
	}
	if diff := cmp.Diff(want, w.totals); diff != "" {
		t.Errorf("totals (-want +got):\n%s", diff)
	}
	for what, change := range map[string]func(*v1alpha1.SecurityProfile){
		"no level is declared":     func(p *v1alpha1.SecurityProfile) { p.Spec.PodSecurity = nil },
		"the profile ignores them": func(p *v1alpha1.SecurityProfile) { p.Spec.Findings = &v1alpha1.Findings{Ignore: podFindings} },
	} {
		p := *p
		p.profile = p.profile.DeepCopy()
		change(p.profile)
		w := weaknessOf(nil)
		if w.carry(&p); len(w.found)+len(w.totals) > 0 {
			t.Errorf("%s: %v", what, w.found)
		}
	}
}

// TestTheLargestReportFits makes every list and every text of a report as long as it can be.
func TestTheLargestReportFits(t *testing.T) {
	long := func(n int) string { return strings.Repeat("\u00e9", n) }
	largest := func() *v1alpha1.NamespacePosture {
		r := compliantReport()
		ref := v1alpha1.ObjectReference{APIVersion: "rbac.authorization.k8s.io/v1", Kind: "RoleBinding", Name: long(253)}
		r.Objects = nil
		for range v1alpha1.MaxObjects {
			r.Objects = append(r.Objects, v1alpha1.ManagedObject{ObjectReference: ref, State: v1alpha1.ObjectFailed, Message: long(1400)})
		}
		for range v1alpha1.MaxDrift {
			entry := v1alpha1.DriftEntry{Namespace: "shop", Object: ref, Manager: long(128)}
			for range 16 {
				entry.Fields = append(entry.Fields, v1alpha1.FieldDrift{Path: long(512), Want: long(256), Got: long(256)})
			}
			r.Drift = append(r.Drift, entry)
		}
		for range v1alpha1.MaxFindings {
			r.Findings = append(r.Findings, v1alpha1.Finding{ID: v1alpha1.LimitDefaultsOverridden, Severity: v1alpha1.Critical, Object: ref, Message: long(1025), Remedy: long(512)})
		}
		for range 18 {
			r.InPlace = append(r.InPlace, v1alpha1.ObjectContent{Object: ref, Content: strings.Repeat(`"`, v1alpha1.MaxContent)})
			r.Blocked = append(r.Blocked, v1alpha1.BlockedObject{Object: ref, Message: long(1025), Violators: []string{long(253)}})
		}
		return r
	}
	report, again := largest(), largest()
	fit(report)
	fit(again)
	if diff := cmp.Diff(report, again); diff != "" {
		t.Errorf("cut in another way (-first +then):\n%s", diff)
	}
	data, err := json.Marshal(report)
	if err != nil {
		t.Fatal(err)
	}
	const stored = 3 << 19 // What the API server and etcd take.
	if len(data) > stored {
		t.Errorf("%d bytes are more than %d", len(data), stored)
	}
	if report.Truncated == 0 {
		t.Error("what is left out is not counted")
	}
	small := compliantReport()
	fit(small)
	if diff := cmp.Diff(compliantReport(), small); diff != "" {
		t.Errorf("a report that fits was cut (-want +got):\n%s", diff)
	}
}
