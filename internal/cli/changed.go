package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/bulwark-dev/bulwark/internal/output"
)

// changedSince are the files that differ from a commit of the git repository, those that git does
// not know yet included, as they are shown.
func (w *World) changedSince(ctx context.Context, ref string) ([]string, error) {
	if strings.HasPrefix(ref, "-") {
		return nil, fmt.Errorf("--changed-since %s: that is no name of a commit", ref)
	}
	var names []string
	for _, args := range [][]string{
		{"diff", "--name-only", "-z", "--relative", "--no-renames", ref, "--"},
		{"ls-files", "-z", "--others", "--exclude-standard"},
	} {
		command := exec.CommandContext(ctx, "git", args...) //nolint:gosec // The reference is no option.
		command.Dir = w.Dir
		var said bytes.Buffer
		command.Stderr = &said
		out, err := command.Output()
		if err != nil {
			words, _, _ := strings.Cut(strings.TrimSpace(said.String()), "\n")
			return nil, fmt.Errorf("--changed-since %s: git: %w", ref, errors.New(strings.TrimPrefix(words, "fatal: ")))
		}
		for name := range strings.SplitSeq(string(out), "\x00") {
			if name != "" {
				names = append(names, filepath.ToSlash(filepath.Clean(name)))
			}
		}
	}
	return names, nil
}

// keepChanged drops findings in files that have not changed. Everything is judged all the same,
// since what is changed may break what is not: a quota, a namespace.
func keepChanged(report *output.Report, changed []string) {
	report.Findings = slices.DeleteFunc(
		report.Findings,
		func(f output.Finding) bool { return !slices.Contains(changed, f.File) },
	)
}
