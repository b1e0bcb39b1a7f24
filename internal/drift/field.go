package drift

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/printable"
)

const (
	maxFields     = 16
	maxPathRunes  = 511
	maxValueRunes = 256
)

// Field is one field that differs. A value that is not set is the empty string; any other is JSON.
type Field struct {
	Path      []string
	Want, Got string
}

// String is the path in a form for people: spec.policyTypes, metadata.labels[example.com/team].
func (f Field) String() string {
	var b strings.Builder
	for i, element := range f.Path {
		switch {
		case strings.ContainsAny(element, "./"):
			b.WriteString("[" + element + "]")
		case i > 0:
			b.WriteString("." + element)
		default:
			b.WriteString(element)
		}
	}
	return b.String()
}

// within reports whether the field lies at or below a path of plain names.
func (f Field) within(path string) bool {
	name := f.String()
	return name == path || strings.HasPrefix(name, path+".") || strings.HasPrefix(name, path+"[")
}

// Report is the fields as a report holds them: bounded in number and in length.
func Report(fields []Field) []v1alpha1.FieldDrift {
	var out []v1alpha1.FieldDrift
	for _, f := range fields[:min(len(fields), maxFields)] {
		out = append(out, Printable(v1alpha1.FieldDrift{Path: f.String(), Want: f.Want, Got: f.Got}))
	}
	return out
}

// Printable is a field as a report holds it: each of its texts on one line, and cut. Of one that is
// as a report holds it, it is the same.
func Printable(f v1alpha1.FieldDrift) v1alpha1.FieldDrift {
	return v1alpha1.FieldDrift{
		Path: printable.Cut(printable.Line(f.Path), maxPathRunes),
		Want: printable.Cut(printable.Line(f.Want), maxValueRunes),
		Got:  printable.Cut(printable.Line(f.Got), maxValueRunes),
	}
}

// compareValues lists the fields below path in which two values of the same type differ, as deep as
// the structs and maps that both hold. Lists are compared as a whole: the API server stores those
// of the managed kinds as atomic.
func compareValues(path []string, want, got any) []Field {
	return compareReflected(path, reflect.ValueOf(want), reflect.ValueOf(got))
}

func compareReflected(path []string, want, got reflect.Value) []Field {
	if equality.Semantic.DeepEqual(want.Interface(), got.Interface()) {
		return nil
	}
	switch {
	case want.Kind() == reflect.Pointer && !want.IsNil() && !got.IsNil() && want.Elem().Kind() == reflect.Struct:
		return compareReflected(path, want.Elem(), got.Elem())
	case want.Kind() == reflect.Struct && !isScalar(want):
		return compareStructs(path, want, got)
	case want.Kind() == reflect.Map:
		return compareMaps(path, want, got)
	}
	return []Field{{Path: slices.Clone(path), Want: valueOf(want), Got: valueOf(got)}}
}

func compareStructs(path []string, want, got reflect.Value) []Field {
	var fields []Field
	for i := range want.NumField() {
		name, _, _ := strings.Cut(want.Type().Field(i).Tag.Get("json"), ",")
		fields = append(fields, compareReflected(append(path, name), want.Field(i), got.Field(i))...)
	}
	return fields
}

func compareMaps(path []string, want, got reflect.Value) []Field {
	keys := map[string]reflect.Value{}
	for _, m := range []reflect.Value{want, got} {
		for _, key := range m.MapKeys() {
			keys[key.String()] = key
		}
	}
	var fields []Field
	for _, name := range sortedKeys(keys) {
		w, g := want.MapIndex(keys[name]), got.MapIndex(keys[name])
		if w.IsValid() && g.IsValid() {
			fields = append(fields, compareReflected(append(path, name), w, g)...)
			continue
		}
		fields = append(fields, Field{Path: append(slices.Clone(path), name), Want: valueOf(w), Got: valueOf(g)})
	}
	return fields
}

// isScalar tells the structs that the API writes as one value.
func isScalar(v reflect.Value) bool {
	switch v.Interface().(type) {
	case resource.Quantity, metav1.Time, intstr.IntOrString:
		return true
	}
	return false
}

// valueOf is a value as JSON, or nothing where it is not set.
func valueOf(v reflect.Value) string {
	if !v.IsValid() {
		return ""
	}
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			return ""
		}
	case reflect.Slice, reflect.Map:
		if v.Len() == 0 {
			return ""
		}
	}
	data, err := json.Marshal(v.Interface())
	if err != nil { // No type of the managed kinds fails to marshal; the error is still better than nothing.
		return err.Error()
	}
	return string(data)
}

func sortedKeys[V any](m map[string]V) []string {
	return slices.Sorted(maps.Keys(m))
}
