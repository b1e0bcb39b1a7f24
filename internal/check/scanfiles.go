package check

import (
	"fmt"
	"strings"

	"github.com/bulwark-dev/bulwark/internal/scanreport"
)

// files are the results of reports that are of no image: of manifests by the profile that governs
// there, of other files by the profile that says most.
func (s *scans) files(sections []*governor) []Result {
	perObject := map[*object][]*scanreport.Finding{}
	var elsewhere []*scanreport.Finding
	index := s.index()
	results := s.oldReports(sections)
	for _, r := range s.set.Reports {
		if !r.OfFiles {
			continue
		}
		for i := range r.Findings {
			f := &r.Findings[i]
			if o := index.objectOf(f); o != nil {
				s.judged[o] = true
				perObject[o] = append(perObject[o], f)
			} else {
				elsewhere = append(elsewhere, f)
			}
		}
	}
	for _, o := range s.run.objects {
		if findings := perObject[o]; findings != nil {
			results = append(results, s.manifest(o, findings)...)
		}
	}
	return append(results, s.otherFiles(sections, elsewhere)...)
}

// manifest are the results of what a scanner says of an object.
func (s *scans) manifest(o *object, findings []*scanreport.Finding) []Result {
	var results []Result
	for _, j := range s.run.of(o) {
		if sectionOf(j.governor) == nil {
			continue
		}
		found := &collected{object: o, profile: j.profile.Name}
		verdict := s.set.Judge(sectionOf(j.governor), nil, findings, s.run.in.Now)
		for i := range verdict.Broken {
			f := &verdict.Broken[i]
			result := s.broken(j.governor, "the manifest", f)
			for _, p := range o.parts {
				if p.name == f.Container {
					result.Container, result.Path = p.name, p.path
				}
			}
			found.add(result)
		}
		results = append(results, found.results...)
	}
	return results
}

// otherFiles are the results of what a scanner says of files that are no manifests, or of which it
// cannot be told what they are about.
func (s *scans) otherFiles(sections []*governor, findings []*scanreport.Finding) []Result {
	var results []Result
	at := map[string]int{}
	for _, g := range sections {
		verdict := s.set.Judge(sectionOf(g), nil, findings, s.run.in.Now)
		for i := range verdict.Broken {
			f := &verdict.Broken[i]
			result := s.broken(g, "the file", f)
			result.Object = Reference{Kind: "File", Name: f.Target}
			result.Elsewhere = Elsewhere{f.Target, f.Line, f.EndLine}
			key := strings.Join([]string{result.Rule, f.Target, f.Title, f.Object}, "\x00")
			if n, known := at[key]; known {
				if stronger(&result, &results[n]) {
					results[n] = result
				}
				continue
			}
			at[key] = len(results)
			results = append(results, result)
		}
	}
	return results
}

// stronger reports whether a result says more than another of the same.
func stronger(a, b *Result) bool {
	if (a.Suppressed == "") != (b.Suppressed == "") {
		return a.Suppressed == ""
	}
	return !b.Action.AtLeast(a.Action)
}

// oldReports are the reports on files that are too old for a profile. Their contents are judged all
// the same.
func (s *scans) oldReports(sections []*governor) []Result {
	var results []Result
	for _, r := range s.set.Reports {
		for _, g := range sections {
			section := sectionOf(g)
			if words := r.Age(section, s.run.in.Now); words != "" && r.OfFiles {
				words = fmt.Sprintf("the scan of %s is older than %s: %s", r.Artifact, section.MaxReportAge, words)
				result := s.result(g, ruleOldReport, words)
				result.Object, result.Elsewhere = Reference{Kind: "File", Name: r.File}, Elsewhere{File: r.File}
				results = append(results, result)
				break
			}
		}
	}
	return results
}

// manifestIndex finds objects by kind and name, and by the last step of their files' names.
type manifestIndex struct{ byName, byFile map[string][]*object }

func (s *scans) index() manifestIndex {
	i := manifestIndex{map[string][]*object{}, map[string][]*object{}}
	for _, o := range s.run.objects {
		name := nameKey(o.Kind, o.Name)
		i.byName[name] = append(i.byName[name], o)
		i.byFile[lastStep(o.document.File)] = append(i.byFile[lastStep(o.document.File)], o)
		if origin := lastStep(o.document.Origin); origin != "" && origin != lastStep(o.document.File) {
			i.byFile[origin] = append(i.byFile[origin], o)
		}
	}
	return i
}

func nameKey(kind, name string) string { return strings.ToLower(kind) + " " + name }

func lastStep(file string) string { return file[strings.LastIndexByte(file, '/')+1:] }

// objectOf is the one object that a check is about: in its file, by the kind and name that its
// message names. Of a file with one object no name is needed, and lines say nothing.
func (i manifestIndex) objectOf(f *scanreport.Finding) *object {
	var alike []*object
	switch {
	case f.Kind != scanreport.Misconfiguration:
		return nil
	case f.Object != "":
		alike = i.byName[nameKey(f.ObjectKind, f.Object)]
	case f.OfManifest():
		alike = i.byFile[lastStep(f.Target)]
	}
	inFile := keep(alike, func(o *object) bool { return f.In(o.document.File) || f.In(o.document.Origin) })
	if len(inFile) > 0 || f.Object == "" {
		alike = inFile
	}
	if len(alike) > 1 && f.Namespace != "" {
		alike = keep(alike, func(o *object) bool { return o.Namespace == f.Namespace })
	}
	if len(alike) != 1 {
		return nil
	}
	return alike[0]
}

func keep(objects []*object, which func(*object) bool) []*object {
	var kept []*object
	for _, o := range objects {
		if which(o) {
			kept = append(kept, o)
		}
	}
	return kept
}

// unjudged notes the reports of images that are not used, and the objects of which reports of
// manifests say nothing: how many checks were kept in a file does not say of which object.
func (s *scans) unjudged() {
	manifests := false
	for _, r := range s.set.Reports {
		manifests = manifests || len(r.Targets) > 0
		if r.Image != nil && !s.used[r] {
			s.note("%s is of the image %s, which no manifest names where a profile asks for reports",
				r.File, r.Artifact)
		}
	}
	if !manifests {
		return
	}
	var names []string
	for _, o := range s.run.objects {
		if !s.judged[o] && len(s.run.of(o)) > 0 {
			names = append(names, o.String())
		}
	}
	if n := len(names); n > 0 {
		if n > 5 {
			names = append(names[:5], "…")
		}
		s.note("%d objects have no result of their own in the scan reports, and are not judged by them: %s",
			n, strings.Join(names, ", "))
	}
}
