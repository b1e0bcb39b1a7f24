// Package profiles reads SecurityProfiles that no API server has read yet, and says in the API
// server's words what it would refuse of them.
//
// It is pure, and imports the API and its CustomResourceDefinition. It must never mend a profile:
// what it returns is what was written, with the API's own defaults.
package profiles

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	structuralschema "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/listtype"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	validatename "k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	"sigs.k8s.io/yaml"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/config/crd/bases"
)

// GroupKind is that of SecurityProfiles.
var GroupKind = schema.GroupKind{Group: v1alpha1.GroupVersion.Group, Kind: "SecurityProfile"}

// Is reports whether an object is a SecurityProfile, of whichever version.
func Is(object *unstructured.Unstructured) bool {
	return object.GroupVersionKind().GroupKind() == GroupKind
}

// Refusal is what the API server refuses of a profile.
type Refusal struct {
	// Words are the API server's.
	Words string
	// Path is the field that they are about.
	Path []any
}

// Read is a manifest as a profile, with the API's defaults, or what the API server refuses of it.
func Read(ctx context.Context, manifest *unstructured.Unstructured) (*v1alpha1.SecurityProfile, []*Refusal, error) {
	if got := manifest.GetAPIVersion(); got != v1alpha1.GroupVersion.String() {
		return nil, []*Refusal{{Path: []any{"apiVersion"}, Words: fmt.Sprintf(
			"no matches for kind %q in version %q: this version of the plugin knows %s",
			GroupKind.Kind,
			got,
			v1alpha1.GroupVersion,
		)}}, nil
	}
	s, err := schemas()
	if err != nil {
		return nil, nil, err
	}
	object := manifest.DeepCopy()
	refusals := s.unknownFields(object)
	defaulting.Default(object.UnstructuredContent(), s.structural)
	refusals = append(refusals, s.invalid(ctx, object)...)
	if len(refusals) > 0 {
		return nil, refusals, nil
	}
	text, err := json.Marshal(object.Object)
	if err != nil {
		return nil, nil, fmt.Errorf("reading SecurityProfile %s: %w", object.GetName(), err)
	}
	var profile v1alpha1.SecurityProfile
	if err := json.Unmarshal(text, &profile); err != nil {
		return nil, []*Refusal{{Words: err.Error()}}, nil
	}
	if why := profile.Spec.Undecodable(); why != "" {
		return nil, []*Refusal{{Words: why, Path: []any{"spec"}}}, nil
	}
	return &profile, nil, nil
}

// definition is the schema of SecurityProfiles, ready to validate by.
type definition struct {
	structural *structuralschema.Structural
	validator  validation.SchemaValidator
	rules      *cel.Validator
}

var schemas = sync.OnceValues(func() (*definition, error) {
	var crd apiextensionsv1.CustomResourceDefinition
	if err := yaml.Unmarshal(bases.SecurityProfiles, &crd); err != nil {
		return nil, fmt.Errorf("reading the CustomResourceDefinition: %w", err)
	}
	i := slices.IndexFunc(crd.Spec.Versions, func(v apiextensionsv1.CustomResourceDefinitionVersion) bool {
		return v.Name == v1alpha1.GroupVersion.Version
	})
	if i < 0 {
		return nil, fmt.Errorf("the CustomResourceDefinition has no version %s", v1alpha1.GroupVersion.Version)
	}
	var internal apiextensions.CustomResourceValidation
	if err := apiextensionsv1.Convert_v1_CustomResourceValidation_To_apiextensions_CustomResourceValidation(
		crd.Spec.Versions[i].Schema,
		&internal,
		nil,
	); err != nil {
		return nil, fmt.Errorf("reading the schema: %w", err)
	}
	structural, err := structuralschema.NewStructural(internal.OpenAPIV3Schema)
	if err != nil {
		return nil, fmt.Errorf("reading the schema: %w", err)
	}
	validator, _, err := validation.NewSchemaValidator(internal.OpenAPIV3Schema)
	if err != nil {
		return nil, fmt.Errorf("reading the schema: %w", err)
	}
	return &definition{
		structural: structural,
		validator:  validator,
		rules:      cel.NewValidator(structural, true, celconfig.PerCallLimit),
	}, nil
})

// unknownFields are the fields that kubectl has the API server refuse.
func (d *definition) unknownFields(object *unstructured.Unstructured) []*Refusal {
	unknown := pruning.PruneWithOptions(object.DeepCopy().UnstructuredContent(), d.structural, true,
		structuralschema.UnknownFieldPathOptions{TrackUnknownFieldPaths: true})
	var refusals []*Refusal
	for _, at := range unknown {
		refusals = append(refusals, &Refusal{Path: pathOf(at), Words: fmt.Sprintf(
			"%s in version %q cannot be handled as a %s: strict decoding error: unknown field %q",
			GroupKind.Kind, v1alpha1.GroupVersion.Version, GroupKind.Kind, at)})
	}
	return refusals
}

// invalid is what validation refuses, each error in the words in which it is sent.
func (d *definition) invalid(ctx context.Context, object *unstructured.Unstructured) []*Refusal {
	content := object.UnstructuredContent()
	var errs field.ErrorList
	for _, words := range validatename.NameIsDNSSubdomain(object.GetName(), false) {
		errs = append(errs, field.Invalid(field.NewPath("metadata", "name"), object.GetName(), words))
	}
	errs = append(errs, validation.ValidateCustomResource(nil, content, d.validator)...)
	errs = append(errs, listtype.ValidateListSetsAndMaps(nil, d.structural, content)...)
	if !slices.ContainsFunc(errs, blocksRules) {
		more, _ := d.rules.Validate(ctx, nil, d.structural, content, nil, celconfig.RuntimeCELCostBudget)
		errs = append(errs, more...)
	}
	var refusals []*Refusal
	for _, err := range errs {
		if err.Type != field.ErrorTypeTypeInvalid && slices.ContainsFunc(errs, ofTypeOf(err)) {
			continue
		}
		refusals = append(refusals, &Refusal{
			Words: apierrors.NewInvalid(GroupKind, object.GetName(), field.ErrorList{err}).Error(), Path: pathOf(err.Field),
		})
	}
	// The schema's validation ranges over maps.
	slices.SortStableFunc(refusals, func(a, b *Refusal) int { return strings.Compare(a.Words, b.Words) })
	return refusals
}

// ofTypeOf finds the error that the field of another is of a wrong type: whatever else is wrong with
// its value goes with it.
func ofTypeOf(other *field.Error) func(*field.Error) bool {
	return func(err *field.Error) bool { return err.Type == field.ErrorTypeTypeInvalid && err.Field == other.Field }
}

// blocksRules reports whether an error is one after which the API server does not evaluate rules.
func blocksRules(err *field.Error) bool {
	switch err.Type {
	case field.ErrorTypeNotSupported, field.ErrorTypeRequired, field.ErrorTypeTooLong, field.ErrorTypeTooMany,
		field.ErrorTypeTypeInvalid:
		return true
	}
	return false
}

var step = regexp.MustCompile(`[^.\[\]]+`)

// pathOf is a path as Kubernetes writes it.
func pathOf(text string) []any {
	var path []any
	for _, part := range step.FindAllString(text, -1) {
		if n, err := strconv.Atoi(part); err == nil && strings.Contains(text, "["+part+"]") {
			path = append(path, n)
		} else {
			path = append(path, part)
		}
	}
	return path
}
