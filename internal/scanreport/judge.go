package scanreport

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
)

// Set is all that was read.
type Set struct {
	Reports    []*Report
	Statements []*Statement
	Ignores    *Ignores
}

// Add adds what a file holds.
func (s *Set) Add(c *Contents) {
	s.Reports = append(s.Reports, c.Reports...)
	s.Statements = append(s.Statements, c.Statements...)
}

// skew is by how much clocks may differ.
const skew = 5 * time.Minute

// Problems are what keeps reports from being judged: one of a time to come, and one of no image and
// no file.
func (s *Set) Problems(now time.Time) []error {
	var errs []error
	for _, r := range s.Reports {
		if r.Made.After(now.Add(skew)) {
			errs = append(errs, fmt.Errorf("%s: the report is of %s, which is yet to come: "+
				"is this machine's clock right? It says %s",
				r.File, r.Made.UTC().Format(time.RFC3339), now.UTC().Format(time.RFC3339)))
		}
		if r.Image == nil && !r.OfFiles {
			errs = append(errs, fmt.Errorf("%s: the report is of %s, and names no image: scan the image itself",
				r.File, r.Artifact))
		}
	}
	return errs
}

// Judged is one finding as a profile judges it.
type Judged struct {
	Finding
	// Packages are all packages that it is in, with their versions.
	Packages []string
	// Exempt says why it does not count; empty if it does.
	Exempt string
	// Warns says that it is warned of, whatever the profile's action is.
	Warns bool
}

// Verdict is what a profile says of the findings of an image, or of files.
type Verdict struct {
	// Broken are the findings that are graver than may be, and those that would be and do not
	// count.
	Broken []Judged
	// TooMany are words on each severity of which there are more than may be.
	TooMany []string
	// Unfixed counts the vulnerabilities that are left out since there is no fix.
	Unfixed int
}

// Judge holds findings of an image, or of files if it is nil, against a profile.
func (s *Set) Judge(v *v1alpha1.Vulnerabilities, image *Image, findings []*Finding, now time.Time) Verdict {
	var verdict Verdict
	counts := map[Severity]int{}
	of := judge{v, image, sorted(s.Statements), s.Ignores, now}
	for _, same := range group(findings, image == nil) {
		j := of.judged(same)
		if j == nil {
			verdict.Unfixed++
			continue
		}
		if j.Exempt == "" && j.Kind == Vulnerability {
			counts[j.Severity]++
		}
		if graver, warns := exceeds(v.MaxSeverity, j.Severity); graver || warns {
			j.Warns = warns
			verdict.Broken = append(verdict.Broken, *j)
		}
	}
	slices.SortStableFunc(verdict.Broken, func(a, b Judged) int {
		return cmp.Or(cmp.Compare(b.Severity, a.Severity), strings.Compare(a.ID, b.ID))
	})
	verdict.TooMany = tooMany(v.MaxCounts, counts)
	return verdict
}

// judge is what findings are held against: a profile's section, and what is known of the image.
type judge struct {
	*v1alpha1.Vulnerabilities
	image      *Image
	statements []*Statement
	ignores    *Ignores
	now        time.Time
}

// exceeds reports whether a severity is graver than may be, and whether that cannot be told.
func exceeds(allowed v1alpha1.MaxSeverity, severity Severity) (graver, cannotTell bool) {
	if allowed == "" {
		return false, false
	}
	highest := map[v1alpha1.MaxSeverity]Severity{
		v1alpha1.MaxSeverityLow: Low, v1alpha1.MaxSeverityMedium: Medium, v1alpha1.MaxSeverityHigh: High,
	}[allowed]
	if severity == Unknown {
		return allowed == v1alpha1.MaxSeverityNone, allowed != v1alpha1.MaxSeverityNone
	}
	return severity > highest, false
}

// group puts together what is one finding in several packages, or of several scanners. Each file
// stands by itself.
func group(findings []*Finding, ofFiles bool) [][]*Finding {
	var groups [][]*Finding
	at := map[string]int{}
	for _, f := range findings {
		key := string(f.Kind) + "\x00" + f.commonID()
		switch {
		case f.Kind != Vulnerability:
			key += "\x00" + strings.Join([]string{f.Target, f.ObjectKind, f.Object, f.Container, f.Title}, "\x00")
		case ofFiles:
			key += "\x00" + f.Target
		}
		n, known := at[key]
		if !known {
			n = len(groups)
			at[key] = n
			groups = append(groups, nil)
		}
		groups[n] = append(groups[n], f)
	}
	return groups
}

// commonID is the id by which several scanners know it: the CVE, if it is one.
func (f *Finding) commonID() string {
	id := canonicalID(f.ID)
	if strings.HasPrefix(id, "CVE-") {
		return id
	}
	common := id
	for _, alias := range f.Aliases {
		if !strings.HasPrefix(strings.ToUpper(alias), "CVE-") {
			continue
		}
		if common != id { // Which of several it is cannot be told.
			return id
		}
		common = canonicalID(alias)
	}
	return common
}

// judged is one finding, in all its packages; nil if it is left out. It counts if it counts in one
// of them.
func (o judge) judged(same []*Finding) *Judged {
	var counting, exempt []*Finding
	why := ""
	for _, f := range same {
		if f.Kind == Vulnerability && o.Unfixed == v1alpha1.UnfixedVulnerabilitiesIgnore && f.Fixed == "" {
			continue
		}
		if words := o.exempts(f); words != "" {
			exempt, why = append(exempt, f), firstOf(why, words)
			continue
		}
		counting = append(counting, f)
	}
	shown := counting
	if len(counting) > 0 {
		why = ""
	} else if shown = exempt; len(exempt) == 0 {
		return nil
	}
	j := &Judged{Finding: *shown[0], Exempt: why}
	for _, f := range shown {
		j.Severity = max(j.Severity, f.Severity)
		if f.Package != "" {
			j.Packages = appendNew(j.Packages, described(f))
		}
	}
	return j
}

// exempts says why a finding does not count; empty if it does.
func (o judge) exempts(f *Finding) string {
	for i := range o.Accepted {
		if a := &o.Accepted[i]; f.has(a.ID) && o.now.Before(a.Expires.Time) {
			return fmt.Sprintf("spec.images.vulnerabilities accepts it until %s: %s", day(a.Expires.Time), a.Reason)
		}
	}
	if why := firstOf(f.Suppressed, o.ignores.exempts(f, o.now), exempts(o.statements, o.image, f)); why != "" {
		return why
	}
	since := f.fixKnown()
	if f.Fixed == "" || since.IsZero() || !o.now.Before(since.Add(o.FixedFor.Duration())) {
		return ""
	}
	return fmt.Sprintf("its fix is there since %s at the earliest, and fixedFor gives it %s", day(since), o.FixedFor)
}

func day(t time.Time) string { return t.UTC().Format(time.DateOnly) }

// fixKnown is when a fix can have been known at the earliest: when it came, or when the
// vulnerability was published; zero if neither is known.
func (f *Finding) fixKnown() time.Time {
	if !f.FixedSince.IsZero() {
		return f.FixedSince
	}
	return f.Published
}

// described is a package that is vulnerable, with what mends it.
func described(f *Finding) string {
	words := strings.Join(nonEmpty(f.Package, f.Installed), " ")
	if f.Fixed == "" {
		return words + " (no fix)"
	}
	return words + " (fixed in " + f.Fixed + ")"
}

// tooMany are words on each severity of which there are more than may be.
func tooMany(most *v1alpha1.VulnerabilityCounts, counts map[Severity]int) []string {
	if most == nil {
		return nil
	}
	var words []string
	for _, of := range []struct {
		severity Severity
		most     *int32
	}{{Critical, most.Critical}, {High, most.High}, {Medium, most.Medium}, {Low, most.Low}, {Unknown, most.Unknown}} {
		if n := counts[of.severity]; of.most != nil && n > int(*of.most) {
			words = append(words, fmt.Sprintf("%d vulnerabilities of severity %s, and at most %d may be",
				n, of.severity, *of.most))
		}
	}
	return words
}

// Expired are words on each accepted id that counts again.
func Expired(v *v1alpha1.Vulnerabilities, now time.Time) []string {
	var all []string
	for i := range v.Accepted {
		if a := &v.Accepted[i]; !now.Before(a.Expires.Time) {
			all = append(all, fmt.Sprintf("%s is accepted until %s, and counts again: %s",
				a.ID, day(a.Expires.Time), a.Reason))
		}
	}
	return all
}

// Age says whether a report is too old, in words; empty if it is not.
func (r *Report) Age(v *v1alpha1.Vulnerabilities, now time.Time) string {
	switch {
	case v.MaxReportAge == "":
		return ""
	case r.Made.IsZero():
		return fmt.Sprintf("%s does not say when it was made", r.File)
	case now.Sub(r.Made) > v.MaxReportAge.Duration():
		return fmt.Sprintf("%s is of %s", r.File, day(r.Made))
	}
	return ""
}
