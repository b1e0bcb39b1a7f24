package check

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/apiserver/pkg/authentication/user"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/manifests"
)

// TestPodSecuritysOwnTestData judges each pod of pod-security-admission's test data, at its level
// and version: what it calls a failure is refused, in words that name the level, and all else is
// let in.
func TestPodSecuritysOwnTestData(t *testing.T) {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "k8s.io/pod-security-admission").Output()
	if err != nil {
		t.Fatal(err)
	}
	root := filepath.Join(strings.TrimSpace(string(out)), "test", "testdata")
	levels, err := filepath.Glob(filepath.Join(root, "*", "v*"))
	if err != nil {
		t.Fatal(err)
	}
	judged := 0
	for _, dir := range levels {
		level, version := filepath.Base(filepath.Dir(dir)), filepath.Base(dir)
		in := Input{
			Profiles: []v1alpha1.SecurityProfile{
				profile(t, "p", fmt.Sprintf("{namespaceSelector: {}, podSecurity: {enforce: %s, version: %s}}", level, version)),
			},
			Namespace: "shop",
			Now:       noon,
			User:      &user.DefaultInfo{Name: "dana"},
		}
		pods := podsIn(t, dir)
		in.Manifests = given(pods)
		report, err := Run(context.Background(), in)
		if err != nil {
			t.Fatal(err)
		}
		answers := map[*manifests.Document]string{}
		for _, r := range report.Results {
			answers[r.Document] = r.Answer
		}
		for _, d := range pods {
			answer, wantDenied := answers[d], filepath.Base(filepath.Dir(d.File)) == "fail"
			if wantDenied != (answer != "") ||
				answer != "" && !strings.Contains(answer, fmt.Sprintf(`violates PodSecurity "%s:%s"`, level, version)) {
				t.Errorf("%s: denied is to be %v, and the answer is %q", d.File, wantDenied, answer)
			}
			judged++
		}
	}
	if judged < 4500 {
		t.Errorf("only %d pods were judged", judged)
	}
}

// podsIn are the pods of the files in the directories below one.
func podsIn(t *testing.T, dir string) []*manifests.Document {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*", "*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var all []*manifests.Document
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for d, problem := range manifests.Read(file, strings.NewReader(string(text))) {
			if problem != nil {
				t.Fatal(problem)
			}
			all = append(all, d)
		}
	}
	return all
}
