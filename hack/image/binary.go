package main

import (
	"bytes"
	"debug/buildinfo"
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// binary is an executable for one platform, with what the Go toolchain wrote into it.
type binary struct {
	content  []byte
	info     *debug.BuildInfo
	platform v1.Platform
}

// commit is where a binary comes from.
type commit struct {
	version  string // v0.2.0 where that tag is, else a pseudo-version; +dirty follows if the tree was
	revision string
	modified bool
	time     time.Time
}

// readBinary reads an executable that runs in an image which holds nothing else.
func readBinary(path string) (binary, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return binary{}, err
	}
	info, err := buildinfo.Read(bytes.NewReader(content))
	if err != nil {
		return binary{}, fmt.Errorf("reading the build information of %s: %w", path, err)
	}
	for key, want := range map[string]string{"CGO_ENABLED": "0", "-trimpath": "true", "GOOS": "linux"} {
		if got := setting(info, key); got != want {
			return binary{}, fmt.Errorf("%s was built with %s=%q, not %q", path, key, got, want)
		}
	}
	// The flags of the linker are not recorded beside -trimpath; the symbols that -s leaves out are seen.
	executable, err := elf.NewFile(bytes.NewReader(content))
	if err != nil {
		return binary{}, fmt.Errorf("reading %s: %w", path, err)
	}
	if executable.Section(".symtab") != nil {
		return binary{}, fmt.Errorf("%s is not stripped: build it with -ldflags=-s", path)
	}
	return binary{content, info, v1.Platform{OS: "linux", Architecture: setting(info, "GOARCH")}}, nil
}

// readBinaries reads executables of one commit, each for another platform, and puts them into the order
// of their platforms.
func readBinaries(paths []string) ([]binary, commit, error) {
	var all []binary
	var of commit
	platforms := map[string]string{}
	for _, path := range paths {
		b, err := readBinary(path)
		if err != nil {
			return nil, of, err
		}
		c, err := commitOf(b.info)
		if err != nil {
			return nil, of, fmt.Errorf("%s: %w", path, err)
		}
		if other, twice := platforms[b.platform.String()]; twice {
			return nil, of, fmt.Errorf("%s and %s are both for %s", other, path, b.platform)
		}
		platforms[b.platform.String()] = path
		if len(all) > 0 && (c != of || b.info.GoVersion != all[0].info.GoVersion) {
			return nil, of, fmt.Errorf("%s is of another commit, or of another Go, than %s", path, paths[0])
		}
		all, of = append(all, b), c
	}
	if len(all) == 0 {
		return nil, of, errors.New("there is no binary to pack")
	}
	slices.SortFunc(all, func(a, b binary) int { return strings.Compare(a.platform.String(), b.platform.String()) })
	return all, of, nil
}

// commitOf is the commit that the Go toolchain says it built.
func commitOf(info *debug.BuildInfo) (commit, error) {
	c := commit{
		version:  info.Main.Version,
		revision: setting(info, "vcs.revision"),
		modified: setting(info, "vcs.modified") == "true",
	}
	if c.revision == "" || c.version == "" {
		return c, errors.New("it names no commit: build with -buildvcs=true, in no git worktree (go.dev/issue/58218)")
	}
	var err error
	c.time, err = time.Parse(time.RFC3339, setting(info, "vcs.time"))
	return c, err
}

func setting(info *debug.BuildInfo, key string) string {
	for _, s := range info.Settings {
		if s.Key == key {
			return s.Value
		}
	}
	return ""
}
