package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// fixtureTime is when the fixture's commit was made.
const fixtureTime = "2026-01-02T03:04:05Z"

// fixture is a small repository at its tag v0.2.0, with the image that was built of it.
type fixture struct {
	root  string
	image string
}

var builtOnce = sync.OnceValues(func() (fixture, error) {
	root, err := os.MkdirTemp("", "bulwark-image-")
	if err != nil {
		return fixture{}, err
	}
	f := fixture{root: filepath.Join(root, "repository"), image: filepath.Join(root, "image")}
	if err := f.commit(); err != nil {
		return f, err
	}
	return f, build(f.root, f.image)
})

func TestMain(m *testing.M) {
	code := m.Run()
	if f, _ := builtOnce(); f.root != "" {
		_ = os.RemoveAll(filepath.Dir(f.root))
	}
	os.Exit(code)
}

// built is the fixture, which is built once for all tests.
func built(t *testing.T) fixture {
	t.Helper()
	f, err := builtOnce()
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// commit makes the repository: a manager that links one module.
func (f fixture) commit() error {
	sums, err := os.ReadFile("go.sum")
	if err != nil {
		return err
	}
	var linked []string
	for line := range strings.Lines(string(sums)) {
		if strings.HasPrefix(line, "golang.org/x/mod v0.41.0") {
			linked = append(linked, line)
		}
	}
	licence, err := os.ReadFile("../../LICENSE")
	if err != nil {
		return err
	}
	for name, content := range map[string]string{
		".gitignore": "/bin/\n",
		"LICENSE":    string(licence),
		"go.mod":     "module example.com/fixture\n\ngo 1.26.0\n\nrequire golang.org/x/mod v0.41.0\n",
		"go.sum":     strings.Join(linked, ""),
		"cmd/manager/main.go": "package main\n\nimport (\n\t\"os\"\n\n\t\"golang.org/x/mod/semver\"\n)\n\n" +
			"func main() { println(semver.Canonical(os.Args[0])) }\n",
	} {
		path := filepath.Join(f.root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			return err
		}
	}
	for _, args := range [][]string{
		{"init", "--quiet"}, {"add", "."}, {"commit", "--quiet", "--message=A manager"}, {"tag", "v0.2.0"},
	} {
		if _, err := command(f.root, "git", args...); err != nil {
			return err
		}
	}
	return nil
}

// clone is another folder with the same commit.
func (f fixture) clone(t *testing.T) string {
	t.Helper()
	folder := filepath.Join(t.TempDir(), "clone")
	must(t)(command(f.root, "git", "clone", "--quiet", f.root, folder))
	return folder
}

// build runs what make image runs, for the repository in a folder.
func build(source, out string, environment ...string) error {
	_, err := commandIn(".", append(environment, "SOURCE="+source), "./build.sh", out)
	return err
}

func command(folder, name string, args ...string) (string, error) {
	return commandIn(folder, nil, name, args...)
}

func commandIn(folder string, environment []string, name string, args ...string) (string, error) {
	c := exec.CommandContext(context.Background(), name, args...)
	c.Dir = folder
	c.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null",
		"GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@example.com", "GIT_AUTHOR_DATE="+fixtureTime,
		"GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@example.com", "GIT_COMMITTER_DATE="+fixtureTime)
	c.Env = append(c.Env, environment...)
	out, err := c.CombinedOutput()
	if err != nil {
		err = &failure{strings.Join(append([]string{name}, args...), " "), string(out), err}
	}
	return string(out), err
}

// failure is a command that failed, with what it said.
type failure struct {
	command, said string
	err           error
}

func (f *failure) Error() string { return f.command + ": " + f.err.Error() + "\n" + f.said }

func (f *failure) Unwrap() error { return f.err }

// must fails the test if a command did.
func must(t *testing.T) func(string, error) string {
	return func(out string, err error) string {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
}

func read(t *testing.T, path ...string) []byte {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}
	return content
}
