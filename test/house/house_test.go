// Package house holds the rooms of the code to their floors: arrows run down only, and what is pure
// stays so.
package house

import (
	"encoding/json"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/bulwark-dev/bulwark/"

// floors are the rooms from the top to the ground. A package imports those of its own floor and of
// floors below. A room stands for the packages beneath it, too, unless they have a row of their
// own.
var floors = [][]string{
	{"test/posturetest", "test/framework"},
	{"cmd"},
	{"internal/cli", "internal/operator"},
	{"controllers"},
	{
		"internal/findings/gather", "internal/findings/watch", "internal/openreports/publish", "internal/podscan",
		"internal/policies", "internal/release", "internal/rollout", "internal/telling",
	},
	{
		"internal/apiresources/discover", "internal/clusteraccess", "internal/contention", "internal/correction",
		"internal/events", "internal/metrics", "internal/priority", "internal/reportmemory", "internal/reports",
	},
	pure,
	{"api", "config/crd/bases", "config/rbac"},
}

// pure are the packages that decide and do nothing else.
var pure = []string{
	"internal/admission",
	"internal/apiresources",
	"internal/auditpolicy",
	"internal/baseline",
	"internal/breakglass",
	"internal/check",
	"internal/counting",
	"internal/drift",
	"internal/findings",
	"internal/grants",
	"internal/manifests",
	"internal/openreports",
	"internal/output",
	"internal/overview",
	"internal/posture",
	"internal/printable",
	"internal/profiles",
	"internal/refusals",
	"internal/scanreport",
	"internal/selection",
	"internal/takeover",
	"internal/tightening",
	"internal/wire",
}

// impure is what no pure package imports: clients, contexts, clocks and loggers.
var impure = []string{
	"context", "log", "net/http", "os", "k8s.io/client-go", "k8s.io/utils/clock", "k8s.io/klog", "github.com/go-logr/logr",
	"sigs.k8s.io/controller-runtime",
}

// excepted are imports that a package needs to call what is itself pure.
var excepted = map[string][]string{
	"internal/admission/offline": {"context"}, // The API server's evaluator takes one.
	// So it does here, and Pod Security. The scheme is all types of Kubernetes' API.
	"internal/check":    {"context", "k8s.io/client-go/kubernetes/scheme"},
	"internal/profiles": {"context"}, // So do the rules of a CustomResourceDefinition.
}

func TestArrowsRunDownOnly(t *testing.T) {
	for _, p := range packages(t) {
		on := floorOf(p.room())
		if on < 0 {
			t.Errorf("%s is on no floor: add it to the table, and to docs/developing.md", p.room())
			continue
		}
		for _, imported := range p.Imports {
			room, ours := strings.CutPrefix(imported, module)
			if ours && floorOf(room) < on {
				t.Errorf("%s imports %s, which is on a floor above", p.room(), room)
			}
		}
	}
}

func TestWhatIsPureImportsNothingThatActs(t *testing.T) {
	checked := 0
	for _, p := range packages(t) {
		if !within(pure, p.room()) || above(p.room()) {
			continue
		}
		checked++
		for _, imported := range p.Imports {
			if within(impure, imported) && !slices.Contains(excepted[p.room()], imported) {
				t.Errorf("%s is pure and imports %s", p.room(), imported)
			}
		}
	}
	if checked < len(pure) {
		t.Errorf("only %d of at least %d pure packages are there", checked, len(pure))
	}
}

// above reports whether a package beneath a pure one has a row of its own.
func above(room string) bool {
	return floorOf(room) < slices.IndexFunc(floors, func(f []string) bool { return &f[0] == &pure[0] })
}

// TestWhatOthersImportRunsEverywhere holds that what suites of others import does not import the
// control plane of our own suites, which is written for Linux, nor what only suites need.
func TestWhatOthersImportRunsEverywhere(t *testing.T) {
	list := exec.CommandContext(t.Context(), "go", "list", "-deps", module+"test/posturetest")
	out, err := list.Output()
	if err != nil {
		t.Fatalf("listing what test/posturetest imports: %v", err)
	}
	for dependency := range strings.FieldsSeq(string(out)) {
		for _, kept := range []string{module + "test/framework/controlplane", "github.com/onsi/ginkgo", "testing"} {
			if within([]string{kept}, dependency) {
				t.Errorf("test/posturetest imports %s, and so would every suite that imports it", dependency)
			}
		}
	}
}

func TestEveryPackageSaysWhatItKnows(t *testing.T) {
	for _, p := range packages(t) {
		if p.Doc == "" {
			t.Errorf("%s has no package comment", p.room())
		}
	}
}

type goPackage struct {
	ImportPath string
	Doc        string
	Imports    []string
}

// room is the package's folder.
func (p *goPackage) room() string { return strings.TrimPrefix(p.ImportPath, module) }

// floorOf is the floor of a package, by the longest row that it is beneath; -1 if there is none.
func floorOf(room string) int {
	for ; room != "."; room = path.Dir(room) {
		for i, rooms := range floors {
			if slices.Contains(rooms, room) {
				return i
			}
		}
	}
	return -1
}

// within reports whether a package is one of others or beneath one of them.
func within(others []string, name string) bool {
	return slices.ContainsFunc(
		others,
		func(other string) bool { return name == other || strings.HasPrefix(name, other+"/") },
	)
}

func packages(t *testing.T) []goPackage {
	t.Helper()
	list := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Doc,Imports",
		module+"api/...", module+"cmd/...", module+"controllers/...", module+"internal/...",
		module+"test/posturetest/...", module+"test/framework/...")
	out, err := list.Output()
	if err != nil {
		t.Fatalf("listing the packages: %v", err)
	}
	var all []goPackage
	for decoder := json.NewDecoder(strings.NewReader(string(out))); decoder.More(); {
		var p goPackage
		if err := decoder.Decode(&p); err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	return all
}
