package cli

import (
	"path"
	"slices"
	"strings"

	"github.com/bulwark-dev/bulwark/internal/check"
	"github.com/bulwark-dev/bulwark/internal/manifests"
	"github.com/bulwark-dev/bulwark/internal/scanreport"
)

// scope is what a check has judged: what it does not find in it is gone, and all else is not.
type scope struct {
	files map[string]bool // those that were read, as they are shown
	below []string        // the directories of which all files were read
	// changed are the files of which findings are reported; nil if it is all.
	changed map[string]bool
	// ungoverned are the objects that no profile governs.
	ungoverned map[string]bool
	// scanned says that there were reports of scanners on images, and ofFiles that some were on files.
	scanned, ofFiles bool
	// unscanned are the containers of which no report could be relied upon.
	unscanned map[string]bool
}

// scopeOf is that of what -f names.
func (w *World) scopeOf(names []string, sources []*manifests.Source) *scope {
	s := &scope{files: map[string]bool{}, ungoverned: map[string]bool{}, unscanned: map[string]bool{}}
	for _, source := range sources {
		s.files[source.File()] = true
	}
	for _, name := range names {
		switch directory, err := w.isDirectory(name); {
		case err != nil: // It is said where it is read.
		case directory:
			s.below = append(s.below, w.shown(name))
		case name == "-":
			s.files[stdin] = true
		default:
			s.files[w.shown(name)] = true
		}
	}
	return s
}

// only narrows what is reported to some files.
func (s *scope) only(changed []string) {
	s.changed = map[string]bool{}
	for _, file := range changed {
		s.changed[file] = true
	}
}

// found takes in what came of the check.
func (s *scope) found(result *check.Report, scans *scanreport.Set) {
	for _, o := range result.Ungoverned {
		s.ungoverned[o.String()] = true
	}
	if s.scanned = scans != nil; !s.scanned {
		return
	}
	s.ofFiles = slices.ContainsFunc(scans.Reports, func(r *scanreport.Report) bool { return r.OfFiles })
	for _, r := range result.Results {
		if check.SaysUnscanned(r.Rule) {
			s.unscanned[r.Object.String()+"\x00"+r.Container] = true
		}
	}
}

// read reports whether a file was read, or would have been if it were there.
func (s *scope) read(file string) bool {
	return s.files[file] || slices.ContainsFunc(s.below, func(directory string) bool {
		return directory == "." && !path.IsAbs(file) && !strings.HasPrefix(file, "../") ||
			strings.HasPrefix(file, directory+"/")
	})
}

// whole reports whether all files were read that a baseline has entries of.
func (s *scope) whole(entries []tracked) bool {
	return s.changed == nil && !slices.ContainsFunc(entries, func(t tracked) bool {
		return !t.ofFile() && !s.read(t.readFrom())
	})
}

// judges reports whether an entry of a baseline would be found if it were still there.
func (s *scope) judges(t tracked, whole bool) bool {
	if s.changed != nil && !s.changed[t.File] || s.ungoverned[t.Object] {
		return false
	}
	family, kind, _ := strings.Cut(t.Rule, "/")
	switch {
	case t.ofFile():
		return s.ofFiles
	case !s.read(t.readFrom()):
		return false
	case family == "scan" && strings.HasPrefix(kind, "misconfiguration/"):
		return s.ofFiles
	case family == "scan":
		return s.scanned && !s.unscanned[t.Object+"\x00"+t.Container]
	case family == "quota", family == "finding": // They look at several objects at once.
		return whole
	}
	return true
}

// readFrom is the file that was read.
func (t *tracked) readFrom() string {
	if t.From != "" {
		return t.From
	}
	return t.File
}

// ofFile reports whether it is about a file that is no manifest.
func (t *tracked) ofFile() bool { return strings.HasPrefix(t.Object, "File ") }
