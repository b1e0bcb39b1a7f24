package manifests

import (
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// readAll is what is read, each object as its file, line, kind and name, and each problem as it is
// said.
func readAll(text string) []string {
	var all []string
	for d, problem := range Read("a.yaml", strings.NewReader(text)) {
		if problem != nil {
			all = append(all, problem.Error())
			continue
		}
		said := fmt.Sprintf("%s:%d %s %s", d.File, d.Line, d.Object.GetKind(), d.Object.GetName())
		if d.Origin != "" {
			said += " from " + d.Origin
		}
		all = append(all, said)
	}
	return all
}

const pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\n"

func TestRead(t *testing.T) {
	for sentence, tt := range map[string]struct {
		text string
		want []string
	}{
		"nothing":                            {"", nil},
		"comments only":                      {"# nothing\n---\n# here\n", nil},
		"one object":                         {pod, []string{"a.yaml:1 Pod web"}},
		"with Windows line ends":             {strings.ReplaceAll(pod, "\n", "\r\n"), []string{"a.yaml:1 Pod web"}},
		"with a byte order mark":             {"\ufeff" + pod, []string{"a.yaml:1 Pod web"}},
		"several":                            {"---\n" + pod + "--- # next\n" + pod + "---\n", []string{"a.yaml:2 Pod web", "a.yaml:6 Pod web"}},
		"three dashes that separate nothing": {pod + "data: |\n  ---\n  x\n", []string{"a.yaml:1 Pod web"}},
		"helm names the template": {
			"---\n# Source: shop/templates/web.yaml\n" + pod, []string{"a.yaml:2 Pod web from shop/templates/web.yaml"},
		},
		"kustomize names the file": {
			pod + "#\n---\napiVersion: v1\nkind: Pod\nmetadata:\n  name: x\n  annotations:\n    config.kubernetes.io/origin: |\n      path: base/x.yaml\n",
			[]string{"a.yaml:1 Pod web", "a.yaml:6 Pod x from base/x.yaml"},
		},
		"kustomize names a file of another repository": {
			"apiVersion: v1\nkind: Pod\nmetadata:\n  name: x\n  annotations:\n    config.kubernetes.io/origin: |\n      path: x.yaml\n      repo: https://example.com/r\n",
			[]string{"a.yaml:1 Pod x"},
		},
		"a List of Lists": {
			"apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Pod, metadata: {name: a}}\n- apiVersion: v1\n  kind: PodList\n  items:\n" +
				"  - {apiVersion: v1, kind: Pod, metadata: {name: b}}\n- 7\n",
			[]string{"a.yaml:1 Pod a", "a.yaml:1 Pod b", "a.yaml:9:3: this element of a List is no object"},
		},
		"JSON":       {`{"apiVersion":"v1","kind":"Pod","metadata":{"name":"\ud83d\ude00"}}`, []string{"a.yaml:1 Pod 😀"}},
		"no mapping": {"- 1\n", []string{"a.yaml:1: this is no Kubernetes object: a mapping with apiVersion and kind"}},
		"no kind":    {"\napiVersion: v1\n", []string{"a.yaml:2:1: this is no Kubernetes object: it lacks apiVersion or kind"}},
		"broken, and what follows is read": {
			pod + "---\na: [\n---\n" + pod, []string{"a.yaml:1 Pod web", "a.yaml:5: this is no YAML: did not find expected node content", "a.yaml:7 Pod web"},
		},
		"a tab as indentation": {
			pod + "spec:\n\tx: 1\n", []string{"a.yaml:5:1: this is no YAML: a tab is no indentation; write spaces"},
		},
		"a key that stands twice": {
			"---\n" + pod + "spec:\n  a: 1\n  a: 2\n", []string{`a.yaml:7:3: the key "a" stands twice here`},
		},
		"a key that stands twice in JSON": {
			"{\"apiVersion\":\"v1\",\n \"kind\":\"Pod\", \"a\": [{\"x\":\"x\",\"x\":1}],\n \"kind\":\"Pod\"}", []string{`a.yaml:2:31: the key "x" stands twice here`},
		},
		"an unknown anchor": {pod + "spec: *gone\n", []string{"a.yaml:1: this is no YAML: unknown anchor 'gone' referenced"}},
		"what is no text":   {"\x00\xff", []string{"a.yaml:1: this is no text: it is not encoded as UTF-8"}},
	} {
		t.Run(sentence, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, readAll(tt.text)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// A word is a boolean if kubectl reads it as one: YAML 1.1 has more words for it than 1.2.
func TestReadAsKubectlDoes(t *testing.T) {
	for d, problem := range Read("", strings.NewReader(pod+"spec: {hostNetwork: yes, octal: 010, on: 1}\n")) {
		if problem != nil {
			t.Fatal(problem)
		}
		want := map[string]any{"hostNetwork": true, "octal": int64(8), "true": int64(1)}
		if diff := cmp.Diff(want, d.Object.Object["spec"]); diff != "" {
			t.Error(diff)
		}
	}
}

// A key that overrides one of a merged mapping stands there once.
func TestMergedMappingsAreRead(t *testing.T) {
	const text = pod + "a: &a {p: 1, q: 1}\nb:\n  <<: *a\n  p: 2\n"
	for d, problem := range Read("a.yaml", strings.NewReader(text)) {
		if problem != nil {
			t.Fatal(problem)
		}
		if diff := cmp.Diff(map[string]any{"p": int64(2), "q": int64(1)}, d.Object.Object["b"]); diff != "" {
			t.Error(diff)
		}
	}
	for _, problem := range Read("a.yaml", strings.NewReader(text+"  p: 3\n")) {
		if problem == nil || !strings.Contains(problem.Error(), `a.yaml:8:3: the key "p" stands twice here`) {
			t.Errorf("got %v", problem)
		}
	}
}

func TestBombsAreRefused(t *testing.T) {
	bomb := "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n"
	for i := 1; i < 10; i++ {
		bomb += fmt.Sprintf("a%d: &a%d [%s]\n", i, i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d,", i-1), 10), ","))
	}
	for sentence, tt := range map[string]struct{ text, want string }{
		"aliases of aliases":   {bomb, "a.yaml:1: this is no YAML: document contains excessive aliasing"},
		"an alias of itself":   {pod + "spec: &a [*a]\n", "anchor 'a' value contains itself"},
		"depth":                {pod + "spec: " + strings.Repeat("[", 20_000) + "\n", "exceeded max depth"},
		"depth in JSON":        {`{"a":` + strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000) + "}", "max depth"},
		"one document too big": {pod + "data: " + strings.Repeat("x", MaxDocument), "the document has 3.0 MiB, and the API server takes 3.0 MiB at most"},
	} {
		t.Run(sentence, func(t *testing.T) {
			if got := readAll(tt.text); len(got) != 1 || !strings.Contains(got[0], tt.want) {
				t.Errorf("got %.300v", got)
			}
		})
	}
}

// endless is a document without an end.
type endless struct{ read int64 }

func (e *endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	e.read += int64(len(p))
	return len(p), nil
}

func TestWhatHasNoEndIsRefused(t *testing.T) {
	from := &endless{}
	var problems []string
	for _, problem := range Read("-", from) {
		problems = append(problems, problem.Error())
	}
	if diff := cmp.Diff([]string{"-: there is more than 256.0 MiB to read"}, problems); diff != "" {
		t.Error(diff)
	}
	if from.read > MaxFile+1<<20 {
		t.Errorf("%d bytes were read", from.read)
	}
}

func TestTooLarge(t *testing.T) {
	if p := TooLarge(
		"a",
		1<<30,
	); p == nil ||
		!strings.Contains(p.Error(), "a: the file has 1.0 GiB, and at most 256.0 MiB are read") {
		t.Errorf("got %v", p)
	}
	if p := TooLarge("a", 1<<20); p != nil {
		t.Errorf("got %v", p)
	}
}

func TestWhatCannotBeReadIsAProblem(t *testing.T) {
	broken := io.MultiReader(strings.NewReader(pod), failing{})
	var problems []string
	for d, problem := range Read("-", broken) {
		if d != nil {
			t.Errorf("read %v", d.Object)
			continue
		}
		problems = append(problems, problem.Error())
	}
	if diff := cmp.Diff([]string{"-:4: reading: " + os.ErrClosed.Error()}, problems); diff != "" {
		t.Error(diff)
	}
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, os.ErrClosed }
