package cli

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// asPlugin has the test binary be the plugin, for scripts.
const asPlugin = "BULWARK_TEST_AS_PLUGIN"

func TestMain(m *testing.M) {
	if os.Getenv(asPlugin) != "" {
		os.Exit(Run(context.Background(), os.Args[1:], System()))
	}
	os.Exit(m.Run())
}

// TestTheGuidesPipelines runs the scripts of the examples for GitHub Actions and GitLab in
// docs/cli.md by a shell, from the clone on.
func TestTheGuidesPipelines(t *testing.T) {
	guide, err := os.ReadFile("../../docs/cli.md")
	if err != nil {
		t.Fatal(err)
	}
	scripts := map[string][]string{}
	for _, found := range block.FindAllStringSubmatch(string(guide), -1) {
		var pipeline struct {
			Steps   []struct{ Run string }
			Posture struct{ Script []string }
		}
		if found[1] != "yaml" || yaml.Unmarshal([]byte(found[2]), &pipeline) != nil {
			continue
		}
		for _, step := range pipeline.Steps {
			if step.Run != "" {
				scripts["github"] = append(scripts["github"], step.Run)
			}
		}
		scripts["gitlab"] = append(scripts["gitlab"], pipeline.Posture.Script...)
	}
	for name, report := range map[string]string{"github": "posture.sarif", "gitlab": "gl-sast-report.json"} {
		for manifest, want := range map[string]int{web: ExitFindings, pinned: ExitClean} {
			d := with(t, "checkout/deploy/web.yaml", manifest, "checkout/profiles/p.yaml", tags,
				"checkout/namespaces.yaml", "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop, labels: {tier: prod}}\n")
			d.dir = filepath.Join(d.dir, "checkout")
			out, code := d.shell(strings.Join(scripts[name], "\n"))
			if len(scripts[name]) == 0 || code != want || !json.Valid([]byte(d.text(report))) {
				t.Errorf("%s: want %d, got %d of %q:\n%s", name, want, code, scripts[name], out)
			}
		}
	}
}

// repository is where the guide has pipelines clone Bulwark from. In a test it is one whose build
// makes the plugin of the test itself.
const repository = "https://github.com/bulwark-dev/bulwark"

// buildable makes such a repository, and is the environment in which git clones it.
func (d *workdir) buildable(self string) []string {
	d.t.Helper()
	bulwark := with(d.t, "Makefile", "build:\n\t@mkdir -p bin && ln -s "+self+" bin/kubectl-posture\n")
	bulwark.commit()
	return []string{
		"GIT_CONFIG_COUNT=1",
		"GIT_CONFIG_KEY_0=url.file://" + bulwark.dir + ".insteadOf",
		"GIT_CONFIG_VALUE_0=" + repository,
	}
}

// shell runs a script in the directory, as pipelines do: the first command that fails ends it.
func (d *workdir) shell(script string) (out string, code int) {
	d.t.Helper()
	self, err := os.Executable()
	if err != nil {
		d.t.Fatal(err)
	}
	command := exec.CommandContext(d.t.Context(), "bash", "-eo", "pipefail", "-c", script)
	command.Dir = d.dir
	command.Env = append(append(os.Environ(), asPlugin+"=1"), d.buildable(self)...)
	said, err := command.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		d.t.Fatal(err)
	}
	return string(said), command.ProcessState.ExitCode()
}

func TestShellCompletion(t *testing.T) {
	d := with(t)
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		if code, out, errs := d.run(
			"completion " + shell,
		); code != 0 || !strings.Contains(out, "kubectl-posture") ||
			errs != "" {
			t.Errorf("%s: %d %s", shell, code, errs)
		}
	}
	for line, want := range map[string]string{
		"check --fail-on ":      "Deny\nWarn\nAudit\n",
		"check -o s":            "sarif\n",
		"check --framework ":    "cis\nnsa\npss\n",
		"":                      "check\t",
		"audit-policy --exp":    "--explain",
		"render --output ":      "yaml\njson\n",
		"check --from-cl":       "--from-cluster",
		"check --filename web.": ":0\n", // Files are the shell's to complete.
	} {
		args := append([]string{"__complete"}, strings.Split(line, " ")...)
		var out strings.Builder
		world := World{
			Out:      &out,
			Err:      &strings.Builder{},
			In:       strings.NewReader(""),
			Getenv:   os.Getenv,
			Terminal: func(any) bool { return false },
		}
		if code := Run(t.Context(), args, world); code != 0 || !strings.Contains(out.String(), want) {
			t.Errorf("%q: want %q in\n%s", line, want, out.String())
		}
	}
}
