package main

import (
	"bytes"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

func TestACommitGivesTheSameFilesInAnyFolder(t *testing.T) {
	f := built(t)
	again := t.TempDir()
	if err := build(f.clone(t), again); err != nil {
		t.Fatal(err)
	}
	first, second := filesOf(t, f.image), filesOf(t, again)
	if names := slices.Sorted(maps.Keys(first)); !slices.Equal(names, slices.Sorted(maps.Keys(second))) {
		t.Fatalf("the second build wrote %v, not %v", slices.Sorted(maps.Keys(second)), names)
	}
	for name := range first {
		if !bytes.Equal(first[name], second[name]) {
			t.Errorf("%s differs between two builds of one commit", name)
		}
	}
}

func TestAWorktreeGivesTheImageOfItsCommit(t *testing.T) {
	f := built(t)
	worktree, out := filepath.Join(t.TempDir(), "worktree"), t.TempDir()
	must(t)(command(f.root, "git", "worktree", "add", "--quiet", "--detach", worktree))
	defer func() { must(t)(command(f.root, "git", "worktree", "remove", "--force", worktree)) }()
	if err := build(worktree, out, "IMAGE_PLATFORMS=linux/amd64"); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(read(t, f.image, "bulwark-linux-amd64.tar"), read(t, out, "bulwark-linux-amd64.tar")) {
		t.Error("the image that a git worktree gives is not that of its commit")
	}
}

func TestATreeWithChangesIsNamedSo(t *testing.T) {
	f := built(t)
	for where, makeTree := range map[string]func(t *testing.T) string{
		"in a clone": f.clone,
		"in a git worktree": func(t *testing.T) string {
			worktree := filepath.Join(t.TempDir(), "worktree")
			must(t)(command(f.root, "git", "worktree", "add", "--quiet", "--detach", worktree))
			t.Cleanup(func() { must(t)(command(f.root, "git", "worktree", "remove", "--force", worktree)) })
			return worktree
		},
	} {
		t.Run(where, func(t *testing.T) {
			tree, out := makeTree(t), t.TempDir()
			source := filepath.Join(tree, "cmd/manager/main.go")
			changed := strings.ReplaceAll(string(read(t, source)), "Args[0]", "Args[1]")
			if err := os.WriteFile(source, []byte(changed), 0o644); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(tree, "cmd/manager/new.go"), []byte("package main\n"), 0o644); err != nil {
				t.Fatal(err)
			}
			if err := build(tree, out, "IMAGE_PLATFORMS=linux/amd64"); err != nil {
				t.Fatal(err)
			}
			image, err := tarball.ImageFromPath(filepath.Join(out, "bulwark-linux-amd64.tar"), nil)
			if err != nil {
				t.Fatal(err)
			}
			config, err := image.ConfigFile()
			if err != nil {
				t.Fatal(err)
			}
			labels := config.Config.Labels
			version, revision := labels["org.opencontainers.image.version"], labels["org.opencontainers.image.revision"]
			if version != "v0.2.0+dirty" || !strings.HasSuffix(revision, "-dirty") {
				t.Errorf("the image of a tree with changes says version %q, revision %q", version, revision)
			}
			if !bytes.Contains(read(t, out, "bulwark.provenance.json"), []byte(`"modified": true`)) {
				t.Error("the provenance does not say that the tree had changes")
			}
			if bytes.Equal(read(t, f.image, "bulwark-linux-amd64.tar"), read(t, out, "bulwark-linux-amd64.tar")) {
				t.Error("the image of a tree with changes is that of its commit")
			}
		})
	}
}

func TestAnImageBearsTheMomentOfItsCommit(t *testing.T) {
	of := commit{time: time.Date(2026, 1, 2, 4, 4, 5, 0, time.FixedZone("", 3600))}
	for epoch, want := range map[string]string{"": fixtureTime, "1": "1970-01-01T00:00:01Z"} {
		created, err := moment(of, epoch)
		if got := created.Format(time.RFC3339); got != want || err != nil {
			t.Errorf("with SOURCE_DATE_EPOCH %q: %s (%v), not %s", epoch, got, err, want)
		}
	}
}

func TestWhatIsNotPacked(t *testing.T) {
	clone := built(t).clone(t)
	compile := func(t *testing.T, environment ...string) string {
		binary := filepath.Join(t.TempDir(), "manager")
		environment = append([]string{"GOOS=linux", "GOARCH=amd64", "CGO_ENABLED=0"}, environment...)
		must(t)(commandIn(clone, environment, "go", "build", "-o", binary, "./cmd/manager"))
		return binary
	}
	const stamped = "GOFLAGS=-trimpath -buildvcs=true -ldflags=-s"
	for name, c := range map[string]struct {
		arguments func(t *testing.T) []string
		want      string
	}{
		"nothing": {func(*testing.T) []string { return nil }, "there is no binary to pack"},
		"a file that is no program of Go": {
			func(*testing.T) []string { return []string{"go.mod"} }, "reading the build information of go.mod"},
		"a binary with the paths of a machine": {
			func(t *testing.T) []string { return []string{compile(t, "GOFLAGS=-buildvcs=true")} }, `-trimpath=""`},
		"a binary with symbols": {
			func(t *testing.T) []string { return []string{compile(t, "GOFLAGS=-trimpath -buildvcs=true")} }, "is not stripped"},
		"a binary of another system": {
			func(t *testing.T) []string { return []string{compile(t, stamped, "GOOS=darwin")} }, `GOOS="darwin"`},
		"a binary that names no commit": {
			func(t *testing.T) []string {
				return []string{compile(t, "GOFLAGS=-trimpath -buildvcs=false -ldflags=-s")}
			}, "it names no commit"},
		"two binaries for a platform": {
			func(t *testing.T) []string { return []string{compile(t, stamped), compile(t, stamped)} }, "are both for linux/amd64"},
		"a binary of another version": {
			func(t *testing.T) []string { return []string{"-version=v0.3.0", compile(t, stamped)} }, "version v0.2.0, not of v0.3.0"},
		"a binary that is too large": {
			func(t *testing.T) []string { return []string{"-limit=1000", compile(t, stamped)} }, "larger than 0.0 MiB"},
		"a moment that is no number": {
			func(t *testing.T) []string {
				t.Setenv("SOURCE_DATE_EPOCH", "yesterday")
				return []string{compile(t, stamped)}
			}, "reading SOURCE_DATE_EPOCH"},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			arguments := append([]string{"pack", "-out", t.TempDir()}, c.arguments(t)...)
			err := run(t.Context(), arguments, &out)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func TestWhatIsNoRelease(t *testing.T) {
	script, err := filepath.Abs("../release.sh")
	if err != nil {
		t.Fatal(err)
	}
	f := built(t)
	for name, c := range map[string]struct {
		version string
		prepare func(t *testing.T, tree string)
		want    string
	}{
		"a version without v":     {"0.2.0", nil, "0.2.0 is no version"},
		"a version of two parts":  {"v0.2", nil, "v0.2 is no version"},
		"a zero before a number":  {"v0.02.0", nil, "v0.02.0 is no version"},
		"build metadata":          {"v0.2.0+x", nil, "v0.2.0+x is no version"},
		"a tag of another commit": {"v0.3.0", nil, "the commit does not have the tag v0.3.0"},
		"no section in the changelog": {"v0.2.0", func(t *testing.T, tree string) {
			must(t)(command(tree, "git", "commit", "--quiet", "--allow-empty", "--message=x"))
			must(t)(command(tree, "git", "tag", "--force", "v0.2.0"))
		}, "docs/CHANGELOG.md has no section [0.2.0]"},
		"changes that are in no commit": {"v0.2.0", func(t *testing.T, tree string) {
			if err := os.WriteFile(filepath.Join(tree, "new"), nil, 0o644); err != nil {
				t.Fatal(err)
			}
		}, "there are changes that are in no commit"},
	} {
		t.Run(name, func(t *testing.T) {
			tree := f.clone(t)
			if c.prepare != nil {
				c.prepare(t, tree)
			}
			out, err := command(tree, script, c.version, "bin/release")
			if err == nil || !strings.Contains(out, "no release: ") || !strings.Contains(out, c.want) {
				t.Errorf("got %v, %q; want %q", err, out, c.want)
			}
		})
	}
}

func filesOf(t *testing.T, folder string) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			files[strings.TrimPrefix(path, folder)] = read(t, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}
