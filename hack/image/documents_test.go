package main

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	provenance "github.com/in-toto/attestation/go/predicates/provenance/v1"
	intoto "github.com/in-toto/attestation/go/v1"
	"github.com/package-url/packageurl-go"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/spdx/tools-golang/spdx/v2/v2_3"
	"google.golang.org/protobuf/encoding/protojson"
)

func TestSBOMsAreValidByTheSchema(t *testing.T) {
	schema, err := jsonschema.NewCompiler().Compile("testdata/spdx-2.3.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	f := built(t)
	for _, platform := range platforms {
		name := "bulwark-" + strings.ReplaceAll(platform, "/", "-") + ".spdx.json"
		value, err := jsonschema.UnmarshalJSON(bytes.NewReader(read(t, f.image, name)))
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(value); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		broken := value.(map[string]any)
		broken["packages"].([]any)[0].(map[string]any)["primaryPackagePurpose"] = "IMAGE"
		if schema.Validate(broken) == nil {
			t.Error("the schema takes anything")
		}
	}
}

func TestAnSBOMListsWhatIsInTheImage(t *testing.T) {
	f := built(t)
	var document v2_3.Document
	if err := json.Unmarshal(read(t, f.image, "bulwark-linux-amd64.spdx.json"), &document); err != nil {
		t.Fatal(err)
	}
	if document.CreationInfo.Created != fixtureTime {
		t.Errorf("created %s, not when the commit was", document.CreationInfo.Created)
	}
	got := map[string]string{}
	for _, p := range document.Packages {
		got[p.PackageExternalReferences[0].Locator] = p.PackageLicenseDeclared
		if _, err := packageurl.FromString(p.PackageExternalReferences[0].Locator); err != nil {
			t.Error(err)
		}
		if p.PackageName == "golang.org/x/mod" {
			want := h1(sumOf(t, f, "golang.org/x/mod v0.41.0 "))
			if len(p.PackageChecksums) != 1 || p.PackageChecksums[0].Value != want {
				t.Errorf("checksums %v of a module whose go.sum says %s", p.PackageChecksums, want)
			}
		}
	}
	goVersion := strings.TrimPrefix(strings.TrimSpace(must(t)(command(f.root, "go", "env", "GOVERSION"))), "go")
	want := map[string]string{
		"pkg:oci/bulwark@" + images(t, f)["linux/amd64"].String() + "?arch=amd64": "Apache-2.0",
		"pkg:golang/example.com/fixture@v0.2.0":                                   "Apache-2.0",
		"pkg:golang/stdlib@" + goVersion:                                          got["pkg:golang/stdlib@"+goVersion], // A distribution's Go may have no LICENSE.
		"pkg:golang/golang.org/x/mod@v0.41.0":                                     "BSD-3-Clause",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("packages and licences (-want +got):\n%s", diff)
	}
}

func TestTheProvenanceIsOfTheImages(t *testing.T) {
	f := built(t)
	var statement intoto.Statement
	if err := protojson.Unmarshal(read(t, f.image, "bulwark.provenance.json"), &statement); err != nil {
		t.Fatal(err)
	}
	if err := statement.Validate(); err != nil {
		t.Error(err)
	}
	predicate, err := statement.GetPredicate().MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	var p provenance.Provenance
	if err := protojson.Unmarshal(predicate, &p); err != nil {
		t.Fatal(err)
	}
	if err := p.Validate(); err != nil {
		t.Error(err)
	}
	var got, want []string
	for _, s := range statement.GetSubject() {
		got = append(got, s.GetDigest()["sha256"])
	}
	for _, digest := range images(t, f) {
		want = append(want, digest.Hex)
	}
	want = append(want, strings.TrimPrefix(strings.TrimSpace(string(read(t, f.image, "digest"))), "sha256:"))
	slices.Sort(got)
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("subjects (-want +got):\n%s", diff)
	}
	revision := strings.TrimSpace(must(t)(command(f.root, "git", "rev-parse", "HEAD")))
	materials := map[string]string{}
	for _, m := range p.GetBuildDefinition().GetResolvedDependencies() {
		materials[m.GetUri()] = strings.Join(slices.Collect(maps.Values(m.GetDigest())), "")
	}
	if got := materials["git+"+repository]; got != revision {
		t.Errorf("the source is commit %q, not %s", got, revision)
	}
	hash := h1(sumOf(t, f, "golang.org/x/mod v0.41.0 "))
	if got := materials["pkg:golang/golang.org/x/mod@v0.41.0"]; got != hash {
		t.Errorf("the module's hash is %q, not %q", got, hash)
	}
}

func TestLicencesAreReadWhereTheirTextIs(t *testing.T) {
	mit := "MIT License\n\nCopyright (c) 2026 A\n\nPermission is hereby granted, free of charge, to any person obtaining a copy\n" +
		"of this software and associated documentation files (the \"Software\"), to deal\nin the Software without restriction, " +
		"including without limitation the rights\nto use, copy, modify, merge, publish, distribute, sublicense, and/or sell\n" +
		"copies of the Software, and to permit persons to whom the Software is\nfurnished to do so, subject to the following " +
		"conditions:\n\nThe above copyright notice and this permission notice shall be included in all\ncopies or substantial " +
		"portions of the Software.\n\nTHE SOFTWARE IS PROVIDED \"AS IS\", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR\nIMPLIED, " +
		"INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY,\nFITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. " +
		"IN NO EVENT SHALL THE\nAUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER\nLIABILITY, WHETHER IN AN " +
		"ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM,\nOUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER " +
		"DEALINGS IN THE\nSOFTWARE.\n"
	apache := string(read(t, "../../LICENSE"))
	for name, c := range map[string]struct {
		files map[string]string
		want  string
	}{
		"one text":                    {map[string]string{"LICENSE": mit}, "MIT"},
		"two texts":                   {map[string]string{"LICENSE-MIT": mit, "LICENSE.txt": apache}, "Apache-2.0 AND MIT"},
		"a text that is not known":    {map[string]string{"COPYING": "Do as we say, and ask nobody."}, noAssertion},
		"a known text beside another": {map[string]string{"LICENSE": mit, "LICENSE.more": "And ask nobody."}, noAssertion},
		"no text":                     {map[string]string{"README": mit}, noAssertion},
	} {
		t.Run(name, func(t *testing.T) {
			cache := t.TempDir()
			folder := filepath.Join(cache, "example.com/!upper@v1.0.0")
			if err := os.MkdirAll(folder, 0o755); err != nil {
				t.Fatal(err)
			}
			for file, text := range c.files {
				if err := os.WriteFile(filepath.Join(folder, file), []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			module := debug.Module{Path: "example.com/Upper", Version: "v1.0.0", Sum: "h1:x"}
			if got := (licences{modcache: cache}).of(module); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
	absent := debug.Module{Path: "example.com/absent", Version: "v1.0.0", Sum: "h1:x"}
	if got := (licences{}).of(absent); got != noAssertion {
		t.Errorf("the licence of a module that is not in the cache is %q", got)
	}
}

// images are the digests of the fixture's images, by their platforms.
func images(t *testing.T, f fixture) map[string]v1.Hash {
	t.Helper()
	written, err := layout.ImageIndexFromPath(filepath.Join(f.image, layoutFolder))
	if err != nil {
		t.Fatal(err)
	}
	root, err := written.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	index, err := written.ImageIndex(root.Manifests[0].Digest)
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	digests := map[string]v1.Hash{}
	for _, d := range manifest.Manifests {
		digests[d.Platform.String()] = d.Digest
	}
	return digests
}

// sumOf is what a line of the fixture's go.sum says.
func sumOf(t *testing.T, f fixture, module string) string {
	t.Helper()
	for line := range strings.Lines(string(read(t, f.root, "go.sum"))) {
		if sum, found := strings.CutPrefix(line, module); found {
			return strings.TrimSpace(sum)
		}
	}
	t.Fatalf("go.sum does not know %s", module)
	return ""
}
