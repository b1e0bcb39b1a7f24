package check

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/scanreport"
)

// scans are the reports of scanners, held against what the profiles allow.
type scans struct {
	run    *run
	set    *scanreport.Set
	known  map[string][]Result // what was said of images, by profile and reference
	used   map[*scanreport.Report]bool
	notes  []string
	judged map[*object]bool // those that a report names
}

// scanned are the results of scan reports: of images, of manifests and of other files.
func (r *run) scanned() ([]Result, error) {
	sections := r.vulnerabilitySections()
	if r.in.Scans == nil {
		r.report.Unscanned = r.unscanned()
		return nil, nil
	}
	if len(sections) == 0 {
		return nil, errors.New("there is nothing to hold the scan reports against: " +
			"no SecurityProfile has spec.images.vulnerabilities")
	}
	s := &scans{
		run: r, set: r.in.Scans, known: map[string][]Result{},
		used: map[*scanreport.Report]bool{}, judged: map[*object]bool{},
	}
	for _, g := range sections {
		for _, expired := range scanreport.Expired(sectionOf(g), r.in.Now) {
			s.note("SecurityProfile %s: %s", g.profile.Name, expired)
		}
	}
	s.notes = append(s.notes, s.set.Ignores.Expired(r.in.Now)...)
	var results []Result
	for _, o := range r.objects {
		results = append(results, s.images(o)...)
	}
	results = append(results, s.files(sections)...)
	s.unjudged()
	r.report.Notes = append(r.report.Notes, s.notes...)
	return results, errors.Join(s.set.Problems(r.in.Now)...)
}

// unscanned are the profiles that govern and ask for reports.
func (r *run) unscanned() []string {
	asking := map[string]bool{}
	for _, s := range r.govs.spaces {
		if s.asksForReports() {
			asking[s.governor.profile.Name] = true
		}
	}
	return slices.Sorted(maps.Keys(asking))
}

// asksForReports reports whether the profile that governs a namespace says what reports may hold.
func (s *space) asksForReports() bool {
	return s != nil && s.governor != nil && sectionOf(s.governor) != nil
}

// vulnerabilitySections are the profiles that say what reports may hold.
func (r *run) vulnerabilitySections() []*governor {
	var all []*governor
	for _, g := range r.govs.all {
		if sectionOf(g) != nil {
			all = append(all, g)
		}
	}
	return all
}

func sectionOf(g *governor) *v1alpha1.Vulnerabilities {
	if g.profile.Spec.Images == nil {
		return nil
	}
	return g.profile.Spec.Images.Vulnerabilities
}

func (s *scans) note(format string, of ...any) {
	if words := fmt.Sprintf(format, of...); !slices.Contains(s.notes, words) {
		s.notes = append(s.notes, words)
	}
}

// images are the results of the images of an object.
func (s *scans) images(o *object) []Result {
	if o.Namespace == "" || len(o.parts) == 0 {
		return nil
	}
	space := s.run.space(o.Namespace)
	if !space.asksForReports() {
		return nil
	}
	found := &collected{object: o, profile: space.governor.profile.Name}
	for _, p := range o.parts {
		for _, result := range s.image(space.governor, p.image) {
			result.Container, result.Path = p.name, p.imagePath
			found.add(result)
		}
	}
	return found.results
}

// part is a container of an object's pods, or a volume that is an image.
type part struct {
	name, image     string
	path, imagePath []any
}

// partsOf are the parts of an object's pods that have images. They are all that is kept of it for
// scan reports.
func partsOf(o *object) []part {
	if o.made == nil {
		return nil
	}
	var parts []part
	for _, c := range containersOf(&o.made.Spec) {
		parts = append(parts, part{c.Name, c.Image, o.within(c.path...), o.within(append(slices.Clone(c.path), "image")...)})
	}
	for i := range o.made.Spec.Volumes {
		if v := &o.made.Spec.Volumes[i]; v.Image != nil {
			at := o.within("spec", "volumes", i)
			parts = append(parts, part{v.Name, v.Image.Reference, at, append(slices.Clone(at), "image", "reference")})
		}
	}
	return parts
}

// image is what a profile says of an image, wherever it stands.
func (s *scans) image(g *governor, name string) []Result {
	key := g.profile.Name + "\x00" + name
	results, known := s.known[key]
	if !known {
		results = s.judge(g, name)
		s.known[key] = results
	}
	return results
}

// judge holds the reports of an image against a profile. Without a report that can be relied upon,
// that is a finding of its own.
func (s *scans) judge(g *governor, name string) []Result {
	section := sectionOf(g)
	image := scanreport.ImageOf(name)
	if image == nil {
		words := fmt.Sprintf("the image %q is no reference, and no report can be of it", name)
		return []Result{s.result(g, ruleNoReport, words)}
	}
	var fresh []*scanreport.Report
	var old []string
	alike := ""
	for _, r := range s.set.Reports {
		switch {
		case !image.Same(r.Image):
			if image.Alike(r.Image) {
				alike = fmt.Sprintf(": %s is of %s", r.File, r.Artifact)
			}
			continue
		case r.Age(section, s.run.in.Now) != "":
			old = append(old, r.Age(section, s.run.in.Now))
		default:
			fresh = append(fresh, r)
		}
		s.used[r] = true
	}
	switch {
	case len(fresh) == 0 && len(old) == 0:
		words := fmt.Sprintf("there is no scan report of the image %s%s", name, alike)
		return []Result{s.result(g, ruleNoReport, words)}
	case len(fresh) == 0:
		words := fmt.Sprintf("the scan of the image %s is older than %s: %s",
			name, section.MaxReportAge, strings.Join(old, ", "))
		return []Result{s.result(g, ruleOldReport, words)}
	}
	for _, words := range old {
		s.note("%s, which is too old for the image %s; others are not", words, name)
	}
	return s.hold(g, name, image, fresh)
}

// hold holds findings of reports of an image against a profile.
func (s *scans) hold(g *governor, name string, image *scanreport.Image, reports []*scanreport.Report) []Result {
	var results []Result
	var findings []*scanreport.Finding
	looked := false
	whole := *image // with all that the reports know of it, which statements of VEX may ask for
	for _, r := range reports {
		looked = looked || r.Vulnerabilities
		for i := range r.Findings {
			findings = append(findings, &r.Findings[i])
		}
		whole.Tags = append(slices.Clone(whole.Tags), r.Image.Tags...)
		whole.Digests = append(slices.Clone(whole.Digests), r.Image.Digests...)
		whole.Repositories = append(slices.Clone(whole.Repositories), r.Image.Repositories...)
		whole.Architecture = r.Image.Architecture
	}
	if !looked {
		words := fmt.Sprintf("the scan report of the image %s holds no result on packages, "+
			"and so does not say that there is no vulnerability: %s", name, filesOf(reports))
		result := s.result(g, ruleUnjudged, words)
		result.Remedy = lookForPackages(reports)
		results = append(results, result)
	}
	verdict := s.set.Judge(sectionOf(g), &whole, findings, s.run.in.Now)
	for i := range verdict.Broken {
		f := &verdict.Broken[i]
		result := s.broken(g, "the image "+name, f)
		if f.Kind != scanreport.Vulnerability {
			result.Detail = f.Target
		}
		results = append(results, result)
	}
	for _, words := range verdict.TooMany {
		results = append(results, s.result(g, ruleTooMany, fmt.Sprintf("the image %s has %s", name, words)))
	}
	if verdict.Unfixed > 0 {
		s.note("%d vulnerabilities of the image %s are left out, since there is no fix (unfixed: Ignore)",
			verdict.Unfixed, name)
	}
	return results
}

func filesOf(reports []*scanreport.Report) string {
	var files []string
	for _, r := range reports {
		files = append(files, r.File)
	}
	return strings.Join(files, ", ")
}

// result is a result in the profile's action.
func (s *scans) result(g *governor, rule, message string) Result {
	action := Action(g.profile.EffectiveVulnerabilityAction())
	return Result{
		Rule: rule, Action: action, Severity: severityOf(action), Profile: g.profile.Name,
		Message: message + fmt.Sprintf(" (spec.images.vulnerabilities of SecurityProfile %s)", g.profile.Name),
	}
}

// broken is a finding of a scanner that is graver than the profile allows.
func (s *scans) broken(g *governor, who string, j *scanreport.Judged) Result {
	id := safeID(j.ID)
	words := fmt.Sprintf("%s has the %s %s of severity %s", who, j.Kind, id, j.Severity)
	if j.Kind == scanreport.Secret {
		words += " in " + j.Target
	}
	if len(j.Packages) > 0 {
		words += " in " + strings.Join(j.Packages, ", ")
	}
	if j.Title != "" {
		words += ": " + strings.Join(strings.Fields(j.Title), " ")
	}
	result := s.result(g, scanRule+string(j.Kind)+"/"+id, words)
	result.Severity, result.Suppressed = severityOfScan(j.Severity), j.Exempt
	if j.Warns {
		result.Action = Warn
	}
	if j.Kind == scanreport.Vulnerability && j.Fixed == "" {
		result.Remedy = "There is no fix yet: leave the package out, " +
			"or accept it for a time in spec.images.vulnerabilities.accepted."
	}
	return result
}

// severityOfScan is a severity as findings have it. An unknown one may be grave.
func severityOfScan(s scanreport.Severity) v1alpha1.Severity {
	switch s {
	case scanreport.Critical:
		return v1alpha1.SeverityCritical
	case scanreport.High:
		return v1alpha1.SeverityHigh
	case scanreport.Low:
		return v1alpha1.SeverityLow
	}
	return v1alpha1.SeverityMedium
}

// safeID is an id out of a report, as a rule's name may have it.
func safeID(id string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-._:", r) {
			return r
		}
		return '_'
	}, id)
}
