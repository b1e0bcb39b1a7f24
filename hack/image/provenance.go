package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	provenance "github.com/in-toto/attestation/go/predicates/provenance/v1"
	intoto "github.com/in-toto/attestation/go/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/structpb"
)

const (
	inTotoType     = "application/vnd.in-toto+json"
	provenanceType = "https://slsa.dev/provenance/v1"
	buildType      = repository + "/blob/main/docs/image.md#provenance"
	builderID      = repository + "/blob/main/docs/image.md#who-built-it"
)

// provenanceOf states what the subjects were built of, and how: an in-toto statement with the predicate
// of SLSA. Nobody has signed it, and no moment of the build is in it, so that it is the same each time.
func provenanceOf(
	subjects []*intoto.ResourceDescriptor, binaries []binary, c commit, created time.Time,
) ([]byte, error) {
	external, err := structpb.NewStruct(map[string]any{
		"source":   map[string]any{"uri": "git+" + repository, "digest": map[string]any{"gitCommit": c.revision}},
		"package":  binaries[0].info.Path,
		"version":  c.version,
		"modified": c.modified,
		"created":  created.Format(time.RFC3339),
	})
	if err != nil {
		return nil, err
	}
	internal, err := structpb.NewStruct(settingsOf(binaries))
	if err != nil {
		return nil, err
	}
	predicate := &provenance.Provenance{
		BuildDefinition: &provenance.BuildDefinition{
			BuildType:            buildType,
			ExternalParameters:   external,
			InternalParameters:   internal,
			ResolvedDependencies: append([]*intoto.ResourceDescriptor{sourceOf(c)}, materialsOf(binaries)...),
		},
		RunDetails: &provenance.RunDetails{
			Builder: &provenance.Builder{Id: builderID, Version: map[string]string{"go": binaries[0].info.GoVersion}},
		},
	}
	if err := predicate.Validate(); err != nil {
		return nil, fmt.Errorf("the provenance is not valid: %w", err)
	}
	statement := &intoto.Statement{
		Type:          intoto.StatementTypeUri,
		Subject:       subjects,
		PredicateType: provenanceType,
		Predicate:     &structpb.Struct{},
	}
	if err := convert(predicate, statement.Predicate); err != nil {
		return nil, err
	}
	if err := statement.Validate(); err != nil {
		return nil, fmt.Errorf("the statement is not valid: %w", err)
	}
	return stableJSON(statement)
}

// sourceOf is the commit, as something that the image was made of.
func sourceOf(c commit) *intoto.ResourceDescriptor {
	source := &intoto.ResourceDescriptor{
		Uri:    "git+" + repository,
		Digest: map[string]string{"gitCommit": c.revision},
	}
	if c.modified {
		source.Name = "the commit, and changes that are in no commit"
	}
	return source
}

// materialsOf are the modules of all binaries.
func materialsOf(binaries []binary) []*intoto.ResourceDescriptor {
	var modules []debug.Module
	for _, b := range binaries {
		modules = append(modules, linkedModules(b.info)...)
	}
	slices.SortFunc(modules, func(a, b debug.Module) int { return strings.Compare(purlOf(a), purlOf(b)) })
	var materials []*intoto.ResourceDescriptor
	for _, m := range slices.Compact(modules) {
		material := &intoto.ResourceDescriptor{Name: m.Path, Uri: purlOf(m)}
		if digest := h1(m.Sum); digest != "" {
			material.Digest = map[string]string{intoto.AlgorithmDirHash.String(): digest}
		}
		materials = append(materials, material)
	}
	return materials
}

// settingsOf are the flags and variables of the build of each platform, as the Go toolchain recorded them.
func settingsOf(binaries []binary) map[string]any {
	all := map[string]any{}
	for _, b := range binaries {
		settings := map[string]any{}
		for _, s := range b.info.Settings {
			if !strings.HasPrefix(s.Key, "vcs") {
				settings[s.Key] = s.Value
			}
		}
		all[b.platform.String()] = settings
	}
	return all
}

// stableJSON is a message as JSON with the same spaces each time: protojson varies them on purpose.
func stableJSON(message *intoto.Statement) ([]byte, error) {
	text, err := protojson.Marshal(message)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	if err := json.Indent(&out, text, "", "  "); err != nil {
		return nil, err
	}
	out.WriteByte('\n')
	return out.Bytes(), nil
}

func convert(from *provenance.Provenance, to *structpb.Struct) error {
	text, err := protojson.Marshal(from)
	if err != nil {
		return err
	}
	return protojson.Unmarshal(text, to)
}
