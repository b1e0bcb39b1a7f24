package main

import (
	"fmt"
	"maps"
	"strings"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-tools/pkg/crd"
	"sigs.k8s.io/controller-tools/pkg/loader"
	"sigs.k8s.io/controller-tools/pkg/markers"
)

// schema is that of one type or field.
type schema = apiextensionsv1.JSONSchemaProps

// amendment changes a schema.
type amendment func(*schema)

// types are the amendments of the types of a package.
type types map[string][]amendment

// amended is a package whose types get amendments, after what controller-gen knows of it.
func amended(known crd.PackageOverride, types types) crd.PackageOverride {
	return func(p *crd.Parser, pkg *loader.Package) {
		if known != nil {
			known(p, pkg)
		}
		p.AddPackage(pkg)
		if !strings.HasPrefix(pkg.PkgPath, ours) {
			forgetKinds(p, pkg)
		}
		for name, amendments := range types {
			ident := crd.TypeIdent{Package: pkg, Name: name}
			p.NeedSchemaFor(ident)
			s := p.Schemata[ident]
			all(&s, amendments)
			p.Schemata[ident] = s
		}
	}
}

// ours begins the path of every package of this module.
const ours = "github.com/bulwark-dev/bulwark/"

// forgetKinds takes Kubernetes' own kinds, which begin with their metadata, from those of which
// controller-gen makes a CRD.
func forgetKinds(p *crd.Parser, pkg *loader.Package) {
	maps.DeleteFunc(p.Types, func(ident crd.TypeIdent, info *markers.TypeInfo) bool {
		return ident.Package == pkg && len(info.Fields) > 0 && info.Fields[0].Name == ""
	})
}

func all(s *schema, amendments []amendment) {
	for _, amend := range amendments {
		amend(s)
	}
}

// field amends a field of the type.
func field(name string, amendments ...amendment) amendment {
	return func(s *schema) {
		property, ok := s.Properties[name]
		if !ok {
			panic("there is no field " + name) // A newer Kubernetes has renamed it.
		}
		all(&property, amendments)
		s.Properties[name] = property
	}
}

// items amends what a list holds.
func items(amendments ...amendment) amendment {
	return func(s *schema) { all(s.Items.Schema, amendments) }
}

// values amends what a map holds.
func values(amendments ...amendment) amendment {
	return func(s *schema) { all(s.AdditionalProperties.Schema, amendments) }
}

func maxItems(n int64) amendment { return func(s *schema) { s.MaxItems = ptr.To(n) } }

func maxProperties(n int64) amendment { return func(s *schema) { s.MaxProperties = ptr.To(n) } }

func minLength(n int64) amendment { return func(s *schema) { s.MinLength = ptr.To(n) } }

func maxLength(n int64) amendment { return func(s *schema) { s.MaxLength = ptr.To(n) } }

func between(least, most float64) amendment {
	return func(s *schema) { s.Minimum, s.Maximum = ptr.To(least), ptr.To(most) }
}

// matching wants a string to match each of the regular expressions.
func matching(pattern string, more ...string) amendment {
	return func(s *schema) {
		s.Pattern = pattern
		for _, p := range more {
			s.AllOf = append(s.AllOf, schema{Pattern: p})
		}
	}
}

// oneOf allows these values only.
func oneOf(values ...string) amendment {
	return func(s *schema) {
		for _, value := range values {
			s.Enum = append(s.Enum, apiextensionsv1.JSON{Raw: fmt.Appendf(nil, "%q", value)})
		}
	}
}

// rule wants a CEL expression to hold.
func rule(expression, message string) amendment {
	return func(s *schema) {
		s.XValidations = append(s.XValidations, apiextensionsv1.ValidationRule{Rule: expression, Message: message})
	}
}

// at has the rules tell of a field of the type instead of the type.
func at(field string, rules ...amendment) []amendment {
	return []amendment{func(s *schema) {
		before := len(s.XValidations)
		all(s, rules)
		for i := range s.XValidations[before:] {
			s.XValidations[before+i].FieldPath = "." + field
		}
	}}
}
