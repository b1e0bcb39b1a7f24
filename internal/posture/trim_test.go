package posture

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/drift"
	"github.com/bulwark-dev/bulwark/internal/posture/posturetest"
	"github.com/bulwark-dev/bulwark/internal/printable"
	"github.com/bulwark-dev/bulwark/test/framework/choose"
)

// wordy are texts that JSON writes at another length than they have.
var wordy = []string{"m", "é", "<", `"`, `\`, "\n", "\x01", "\u2028", "\U0001F600", "\uFFFD"}

// fullOf is a report of which every list and every text is as long as it can be, made of one
// character.
func fullOf(text string, objects int) *v1alpha1.NamespacePosture {
	long := func(n int) string { return strings.Repeat(text, n) }
	r := posturetest.Report()
	ref := v1alpha1.ObjectReference{
		APIVersion: "rbac.authorization.k8s.io/v1",
		Kind:       "RoleBinding",
		Name:       long(v1alpha1.MaxName),
	}
	r.Objects = nil
	for range objects {
		r.Objects = append(
			r.Objects,
			v1alpha1.ManagedObject{ObjectReference: ref, State: v1alpha1.ObjectStateFailed, Message: long(1400)},
		)
	}
	for range v1alpha1.MaxDrift {
		entry := v1alpha1.DriftEntry{
			Namespace: strings.Repeat("n", 63),
			Object:    ref,
			Change:    v1alpha1.DriftChangeUnexpected,
			Manager:   long(128),
			State:     v1alpha1.DriftStateContested,
		}
		for range 16 {
			entry.Fields = append(entry.Fields, v1alpha1.FieldDrift{Path: long(512), Want: long(257), Got: long(257)})
		}
		r.Drift = append(r.Drift, entry)
	}
	for range v1alpha1.MaxFindings {
		r.Findings = append(r.Findings, v1alpha1.Finding{
			ID:       v1alpha1.FindingIDLimitDefaultsOverridden,
			Severity: v1alpha1.SeverityCritical,
			Object:   ref,
			Message:  long(1025),
			Remedy:   long(512),
		})
	}
	for range 32 {
		r.FindingTotals = append(
			r.FindingTotals,
			v1alpha1.FindingTotal{
				ID:       v1alpha1.FindingIDLimitDefaultsOverridden,
				Severity: v1alpha1.SeverityCritical,
				Count:    1 << 30,
			},
		)
	}
	for range v1alpha1.MaxViolators + 2 { // As many objects as a profile has that can wait.
		blocked := v1alpha1.BlockedObject{Object: ref, Message: long(1025), ViolatorsTotal: 1 << 60}
		for range v1alpha1.MaxViolators {
			blocked.Violators = append(blocked.Violators, strings.Repeat("v", 253))
		}
		r.Blocked = append(r.Blocked, blocked)
	}
	return r
}

func bytesOf(t *testing.T, report *v1alpha1.NamespacePosture) int {
	t.Helper()
	data, err := json.Marshal(report)
	if err != nil {
		t.Fatal(err)
	}
	return len(data)
}

// TestNoCharacterMakesAReportTooLarge bounds reports by what JSON takes for them: whoever names a
// Role chooses the characters.
func TestNoCharacterMakesAReportTooLarge(t *testing.T) {
	for _, text := range wordy {
		for objects, most := range map[int]int{0: MaxReportBytes, 40: MaxReportBytes, v1alpha1.MaxObjects: 3 << 19} { // What is stored of one object.
			t.Run(fmt.Sprintf("%q in %d objects", text, objects), func(t *testing.T) {
				report, again := fullOf(text, objects), fullOf(text, objects)
				if size, is := Size(report), bytesOf(t, report); size < is {
					t.Errorf("%d bytes are taken for %d", is, size)
				}
				TrimToSize(report)
				TrimToSize(again)
				if diff := cmp.Diff(report, again); diff != "" {
					t.Errorf("cut in another way (-first +then):\n%s", diff)
				}
				if is := bytesOf(t, report); is > most {
					t.Errorf("%d bytes are more than %d", is, most)
				}
				if left := leftOut(report); report.Truncated != left {
					t.Errorf("%d are left out, and %d are counted", left, report.Truncated)
				}
			})
		}
	}
}

// leftOut is how much a report leaves out that was full.
func leftOut(report *v1alpha1.NamespacePosture) int64 {
	left := int64(v1alpha1.MaxFindings - len(report.Findings))
	for _, o := range report.Objects {
		if o.Message == "" {
			left++
		}
	}
	return left
}

// TestACutReportKnowsWhatCouldNotBeDeleted is about an object that would be forgotten with its
// message, once somebody strips it of our labels.
func TestACutReportKnowsWhatCouldNotBeDeleted(t *testing.T) {
	report := fullOf("<", v1alpha1.MaxObjects)
	report.Enforcement = v1alpha1.EnforcementEnforce
	last := &report.Objects[v1alpha1.MaxObjects-1]
	last.Message = undeleted + last.Message
	TrimToSize(report)
	if last.Message != undeleted || !MemoryOf(report).wasInPlace(*last) {
		t.Errorf("it counts as one that never was in place: %q", last.Message)
	}
	if other := report.Objects[v1alpha1.MaxObjects-2]; other.Message != "" || MemoryOf(report).wasInPlace(other) {
		t.Errorf("one that was refused counts as in place: %q", other.Message)
	}
}

// TestACutReportIsAFixpoint finds the same again and again, of which a report cannot hold all.
func TestACutReportIsAFixpoint(t *testing.T) {
	outcomes := missing(3 * v1alpha1.MaxDrift)
	for i := range outcomes {
		outcomes[i] = posturetest.Failed(outcomes[i])
		outcomes[i].Err = fmt.Errorf("%s", strings.Repeat("<", 4000))
		outcomes[i].Fields = []drift.Field{{Path: []string{strings.Repeat("\u2028", 600)}, Want: strings.Repeat("\x01", 300)}}
	}
	p := aPass()
	var reports []*v1alpha1.NamespacePosture
	for range 3 {
		report := Assemble(p, &Found{
			Desired: declared(outcomes), Outcomes: outcomes, Deferred: &Deferrals{},
			Weaknesses: weaknessOf(fullOf("<", 0).Findings),
		}, posturetest.Noon)
		reports = append(reports, report)
		p.Memory = MemoryOf(asStored(t, report))
	}
	if reports[0].Truncated == 0 ||
		len(reports[0].Findings) == v1alpha1.MaxFindings && len(reports[0].Drift) == v1alpha1.MaxDrift {
		t.Fatal("nothing was cut")
	}
	for _, later := range reports[1:] {
		if !Same(reports[0], later) {
			t.Errorf("what lasts is written again (-first +later):\n%s", cmp.Diff(reports[0], later))
		}
	}
}

// FuzzReportSize takes texts of whatever characters.
func FuzzReportSize(f *testing.F) {
	for _, seed := range seeds() {
		f.Add("role<\x00\xff\u2028", seed)
	}
	f.Fuzz(func(t *testing.T, text string, data []byte) {
		c := choose.By(data)
		report := fullOf(printable.Cut(text, 64), c.Below(4))
		report.Findings, report.Drift = report.Findings[:c.Below(8)], report.Drift[:c.Below(8)]
		if size, is := Size(report), bytesOf(t, report); size < is {
			t.Errorf("%d bytes are taken for %d", is, size)
		}
	})
}

// TestTheLargestReportFits makes every list and every text of a report as long as it can be.
func TestTheLargestReportFits(t *testing.T) {
	long := func(n int) string { return strings.Repeat("\u00e9", n) }
	largest := func() *v1alpha1.NamespacePosture {
		r := posturetest.Report()
		ref := v1alpha1.ObjectReference{APIVersion: "rbac.authorization.k8s.io/v1", Kind: "RoleBinding", Name: long(253)}
		r.Objects = nil
		for range v1alpha1.MaxObjects {
			r.Objects = append(
				r.Objects,
				v1alpha1.ManagedObject{ObjectReference: ref, State: v1alpha1.ObjectStateFailed, Message: long(1400)},
			)
		}
		for range v1alpha1.MaxDrift {
			entry := v1alpha1.DriftEntry{Namespace: "shop", Object: ref, Manager: long(128)}
			for range 16 {
				entry.Fields = append(entry.Fields, v1alpha1.FieldDrift{Path: long(512), Want: long(256), Got: long(256)})
			}
			r.Drift = append(r.Drift, entry)
		}
		for range v1alpha1.MaxFindings {
			r.Findings = append(
				r.Findings,
				v1alpha1.Finding{
					ID:       v1alpha1.FindingIDLimitDefaultsOverridden,
					Severity: v1alpha1.SeverityCritical,
					Object:   ref,
					Message:  long(1025),
					Remedy:   long(512),
				},
			)
		}
		for range 18 {
			r.OperatorState.InPlace = append(
				r.OperatorState.InPlace,
				v1alpha1.ObjectContent{Object: ref, Content: strings.Repeat(`"`, v1alpha1.MaxContent)},
			)
			r.Blocked = append(
				r.Blocked,
				v1alpha1.BlockedObject{Object: ref, Message: long(1025), Violators: []string{long(253)}},
			)
		}
		return r
	}
	report, again := largest(), largest()
	TrimToSize(report)
	TrimToSize(again)
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
	small := posturetest.Report()
	TrimToSize(small)
	if diff := cmp.Diff(posturetest.Report(), small); diff != "" {
		t.Errorf("a report that fits was cut (-want +got):\n%s", diff)
	}
}
