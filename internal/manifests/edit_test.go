package manifests

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestEdit(t *testing.T) {
	context := func(steps ...any) []any {
		return append([]any{"spec", "containers", 0, "securityContext"}, steps...)
	}
	const pod = "apiVersion: v1\nkind: Pod\nspec:\n  containers:\n"
	for sentence, tt := range map[string]struct {
		text  string
		path  []any
		value any
		want  string // what is behind pod
		why   string
	}{
		"a scalar": {text: "  - name: app # c\n    securityContext: {privileged: true} # d\n", path: context("privileged"), value: false,
			want: "  - name: app # c\n    securityContext: {privileged: false} # d\n"},
		"a quoted one": {text: "  - securityContext:\n      seccompProfile: {type: \"Unconfined\"}\n", path: context("seccompProfile", "type"), value: "RuntimeDefault",
			want: "  - securityContext:\n      seccompProfile: {type: RuntimeDefault}\n"},
		"a key in block style": {text: "  - name: app\n    image: x # c\n    ports:\n    - containerPort: 1\n", path: context("runAsNonRoot"), value: true,
			want: "  - name: app\n    image: x # c\n    securityContext:\n      runAsNonRoot: true\n    ports:\n    - containerPort: 1\n"},
		"a key in flow style": {text: "  - {name: app, image: x}\n", path: context("runAsNonRoot"), value: true,
			want: "  - {securityContext: {runAsNonRoot: true}, name: app, image: x}\n"},
		"a key in an empty mapping": {text: "  - name: app\n    securityContext: {}\n", path: context("capabilities", "drop"), value: []any{"ALL"},
			want: "  - name: app\n    securityContext: {capabilities: {drop: [ALL]}}\n"},
		"a key behind no scalar": {text: "  - name: app\n    securityContext:\n      capabilities:\n        drop: [X]\n", path: context("runAsNonRoot"), value: true,
			want: "  - name: app\n    securityContext:\n      runAsNonRoot: true\n      capabilities:\n        drop: [X]\n"},
		"an element in flow style": {text: "  - securityContext: {capabilities: {drop: [NET_RAW]}}\n", path: context("capabilities", "drop"), value: []any{"ALL"},
			want: "  - securityContext: {capabilities: {drop: [ALL, NET_RAW]}}\n"},
		"an element in block style": {text: "  - securityContext:\n      capabilities:\n        drop:\n        - NET_RAW # why\n", path: context("capabilities", "drop"), value: []any{"ALL"},
			want: "  - securityContext:\n      capabilities:\n        drop:\n        - ALL\n        - NET_RAW # why\n"},
		"a scalar that goes on": {text: "  - name: app\n    image: a\n      b\n    tty: true\n", path: context("runAsNonRoot"), value: true,
			want: "  - name: app\n    image: a\n      b\n    tty: true\n    securityContext:\n      runAsNonRoot: true\n"},
		"an alias": {text: "  - securityContext: &a {privileged: true}\n    name: app\n  - securityContext: *a\n", path: []any{"spec", "containers", 1, "securityContext", "privileged"},
			value: false, why: "shared by an anchor"},
		"what is merged in is overridden": {text: "  - securityContext: &a\n      privileged: true\n    name: app\n  - securityContext:\n      <<: *a\n      tty: 1\n",
			path: []any{"spec", "containers", 1, "securityContext", "privileged"}, value: false,
			want: "  - securityContext: &a\n      privileged: true\n    name: app\n  - securityContext:\n      <<: *a\n      tty: 1\n      privileged: false\n"},
		"a part of what is merged in": {text: "  - securityContext: &a {capabilities: {add: [X]}}\n  - securityContext: {<<: *a}\n", value: []any{"ALL"},
			path: []any{"spec", "containers", 1, "securityContext", "capabilities", "drop"}, why: "would drop the rest"},
		"a key without a value":   {text: "  - name: app\n    securityContext:\n", path: context("privileged"), value: false, why: "no place"},
		"a text of several lines": {text: "  - name: app\n    securityContext: |\n      x\n", path: context(), value: "y", why: "no place"},
	} {
		t.Run(sentence, func(t *testing.T) {
			file := "# before\n---\n" + pod + tt.text
			for d, problem := range Read("a", strings.NewReader(file)) {
				if problem != nil {
					t.Fatal(problem)
				}
				edit, err := d.Positions().Edit(tt.path, tt.value)
				if tt.why != "" {
					if err == nil || !strings.Contains(err.Error(), tt.why) {
						t.Errorf("want %q, got %v", tt.why, err)
					}
					continue
				}
				if err != nil {
					t.Fatal(err)
				}
				got, err := Apply([]byte(file), edit)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff("# before\n---\n"+pod+tt.want, string(got)); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
			}
		})
	}
}

func TestEditOfJSON(t *testing.T) {
	const file = "{\n  \"apiVersion\": \"v1\", \"kind\": \"Pod\",\n  \"spec\": {\"hostNetwork\": true}\n}\n"
	for d, problem := range Read("a", strings.NewReader(file)) {
		if problem != nil {
			t.Fatal(problem)
		}
		edit, err := d.Positions().Edit([]any{"spec", "securityContext", "runAsNonRoot"}, true)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Apply([]byte(file), edit)
		if err != nil {
			t.Fatal(err)
		}
		want := strings.Replace(file, `{"hostNetwork"`, `{"securityContext":{"runAsNonRoot":true}, "hostNetwork"`, 1)
		if diff := cmp.Diff(want, string(got)); diff != "" {
			t.Error(diff)
		}
	}
}
