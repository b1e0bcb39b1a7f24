package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"path"
	"regexp"
	"runtime/debug"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/package-url/packageurl-go"
	spdxjson "github.com/spdx/tools-golang/json"
	"github.com/spdx/tools-golang/spdx/v2/common"
	spdx "github.com/spdx/tools-golang/spdx/v2/v2_3"
)

const (
	spdxType    = "application/spdx+json"
	noAssertion = "NOASSERTION"
)

// sbomOf lists what is in the image of one platform, as SPDX 2.3:
//
//	the document    DESCRIBES   the image
//	the image       CONTAINS    the manager
//	the manager     DEPENDS_ON  Go's standard library, and each module that is linked
func sbomOf(b binary, image v1.Hash, texts licences, c commit, created time.Time) ([]byte, error) {
	sum := sha256.Sum256(b.content)
	manager := modulePackage(b.info.Main, texts)
	manager.PackageSPDXIdentifier = "Manager"
	manager.PackageFileName = entrypoint
	manager.PrimaryPackagePurpose = "APPLICATION"
	manager.PackageChecksums = []common.Checksum{{Algorithm: common.SHA256, Value: hex.EncodeToString(sum[:])}}
	document := &spdx.Document{
		SPDXVersion:       spdx.Version,
		DataLicense:       spdx.DataLicense,
		SPDXIdentifier:    "DOCUMENT",
		DocumentName:      project + "-" + b.platform.OS + "-" + b.platform.Architecture,
		DocumentNamespace: repository + "/sbom/" + image.Hex,
		DocumentComment: "A module's checksum is the h1 of its go.sum line in hexadecimal digits: " +
			"the SHA-256 of the list of its files' SHA-256, not of an archive.",
		CreationInfo: &spdx.CreationInfo{
			Creators: []common.Creator{{CreatorType: "Tool", Creator: repository + "/tree/main/hack/image"}},
			Created:  created.Format(time.RFC3339),
		},
		Packages: []*spdx.Package{imagePackage(b, image, c), manager},
		Relationships: []*spdx.Relationship{
			relationship("DOCUMENT", common.TypeRelationshipDescribe, "Image"),
			relationship("Image", common.TypeRelationshipContains, "Manager"),
		},
	}
	for _, module := range linkedModules(b.info) {
		p := modulePackage(module, texts)
		document.Packages = append(document.Packages, p)
		document.Relationships = append(document.Relationships,
			relationship("Manager", common.TypeRelationshipDependsOn, string(p.PackageSPDXIdentifier)))
	}
	var out bytes.Buffer
	err := spdxjson.Write(document, &out, spdxjson.Indent("  "), spdxjson.EscapeHTML(false))
	return out.Bytes(), err
}

// linkedModules are the modules in a binary beside its own, Go's standard library first. Where a module
// is replaced, its replacement is what is linked.
func linkedModules(info *debug.BuildInfo) []debug.Module {
	linked := []debug.Module{{Path: standardLibrary, Version: strings.TrimPrefix(info.GoVersion, "go")}}
	for _, module := range info.Deps {
		if module.Replace != nil {
			module = module.Replace
		}
		linked = append(linked, *module)
	}
	return linked
}

func imagePackage(b binary, image v1.Hash, c commit) *spdx.Package {
	locator := packageurl.NewPackageURL(packageurl.TypeOCI, "", project, image.String(),
		packageurl.Qualifiers{{Key: "arch", Value: b.platform.Architecture}}, "").ToString()
	return &spdx.Package{
		PackageName:               project,
		PackageSPDXIdentifier:     "Image",
		PackageVersion:            c.version,
		PackageDownloadLocation:   noAssertion,
		PackageLicenseConcluded:   noAssertion,
		PackageLicenseDeclared:    "Apache-2.0",
		PackageCopyrightText:      noAssertion,
		PrimaryPackagePurpose:     "CONTAINER",
		PackageChecksums:          []common.Checksum{{Algorithm: common.SHA256, Value: image.Hex}},
		PackageExternalReferences: []*spdx.PackageExternalReference{purlReference(locator)},
	}
}

var notInAnIdentifier = regexp.MustCompile(`[^A-Za-z0-9.-]+`)

func modulePackage(module debug.Module, texts licences) *spdx.Package {
	p := &spdx.Package{
		PackageName:               module.Path,
		PackageSPDXIdentifier:     common.ElementID("Module-" + notInAnIdentifier.ReplaceAllString(module.Path, "-")),
		PackageVersion:            module.Version,
		PackageDownloadLocation:   noAssertion,
		PackageLicenseConcluded:   noAssertion,
		PackageLicenseDeclared:    texts.of(module),
		PackageCopyrightText:      noAssertion,
		PrimaryPackagePurpose:     "LIBRARY",
		PackageExternalReferences: []*spdx.PackageExternalReference{purlReference(purlOf(module))},
	}
	if digest := h1(module.Sum); digest != "" {
		p.PackageChecksums = []common.Checksum{{Algorithm: common.SHA256, Value: digest}}
	}
	return p
}

// h1 is the checksum of a line of go.sum in hexadecimal digits, and empty if there is none.
func h1(sum string) string {
	digest, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(sum, "h1:"))
	if err != nil {
		return ""
	}
	return hex.EncodeToString(digest)
}

func purlOf(module debug.Module) string {
	namespace, name := path.Split(module.Path)
	namespace = strings.TrimSuffix(namespace, "/")
	purl := packageurl.NewPackageURL(packageurl.TypeGolang, namespace, name, module.Version, nil, "")
	if err := purl.Normalize(); err != nil {
		return noAssertion
	}
	return purl.ToString()
}

func purlReference(locator string) *spdx.PackageExternalReference {
	return &spdx.PackageExternalReference{
		Category: common.CategoryPackageManager,
		RefType:  common.TypePackageManagerPURL,
		Locator:  locator,
	}
}

func relationship(from, kind, to string) *spdx.Relationship {
	return &spdx.Relationship{
		RefA:         common.MakeDocElementID("", from),
		RefB:         common.MakeDocElementID("", to),
		Relationship: kind,
	}
}
