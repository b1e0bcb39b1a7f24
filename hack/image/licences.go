package main

import (
	"os"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/google/licensecheck"
	"golang.org/x/mod/module"
)

const standardLibrary = "stdlib"

// licences knows where the texts of licences are.
type licences struct {
	root     string // of the repository whose module is the binary's own
	modcache string
	goroot   string
}

var licenceFile = regexp.MustCompile(`(?i)^(licen[cs]e|copying)([.-].*)?$`)

// recognized is how much of a text, in percent, must be that of known licences.
const recognized = 75

// of is the licence that a module declares, as SPDX writes it, by the texts in its folder. A folder that
// is not there, or a text that is not recognized, is no assertion.
func (l licences) of(m debug.Module) string {
	folder := l.folder(m)
	entries, err := os.ReadDir(folder)
	if err != nil {
		return noAssertion
	}
	var ids []string
	for _, entry := range entries {
		if !entry.Type().IsRegular() || !licenceFile.MatchString(entry.Name()) {
			continue
		}
		text, err := os.ReadFile(filepath.Join(folder, entry.Name()))
		if err != nil {
			return noAssertion
		}
		scan := licensecheck.Scan(text)
		if scan.Percent < recognized {
			return noAssertion
		}
		for _, match := range scan.Match {
			ids = append(ids, match.ID)
		}
	}
	if len(ids) == 0 {
		return noAssertion
	}
	slices.Sort(ids)
	return strings.Join(slices.Compact(ids), " AND ")
}

func (l licences) folder(m debug.Module) string {
	if m.Path == standardLibrary {
		return l.goroot
	}
	if m.Sum == "" { // The binary's own module: no go.sum knows it.
		return l.root
	}
	path, err := module.EscapePath(m.Path)
	if err != nil {
		return ""
	}
	version, err := module.EscapeVersion(m.Version)
	if err != nil {
		return ""
	}
	return filepath.Join(l.modcache, filepath.FromSlash(path)+"@"+version)
}
