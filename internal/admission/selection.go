package admission

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
)

// governance says in CEL what package selection says in Go: whether the profile governs a
// namespace.
//
// For what is in a namespace, the binding's namespaceSelector tells what the profile selects by
// label, and a match condition what it leaves out by name. Whether another profile outranks it
// there, only validations can tell, since match conditions are not shown the namespace.
type governance struct {
	profile    *v1alpha1.SecurityProfile
	outranking []*v1alpha1.SecurityProfile
	protected  []string
}

// byName matches what is in a namespace that the profile may select by its name.
func (g *governance) byName() admissionregistrationv1.MatchCondition {
	return admissionregistrationv1.MatchCondition{
		Name:       "namespace-is-not-excluded",
		Expression: "!" + matchesGlobs("request.namespace", slices.Concat(g.protected, g.profile.Spec.ExcludeNamespaces)),
	}
}

// unlessOutranked lets everything pass where another profile governs, and says nothing of it.
func (g *governance) unlessOutranked(d *draft) {
	if len(g.outranking) == 0 {
		return
	}
	own := []admissionregistrationv1.Variable{
		{Name: "namespaceLabels", Expression: "namespaceObject.metadata.?labels.orValue({})"},
	}
	own = append(own, g.outranked("outranked", "variables.namespaceLabels", "request.namespace", "namespaceObject")...)
	d.variables = append(own, d.variables...)
	for i := range d.validations {
		d.validations[i].Expression = "variables.outranked || (" + d.validations[i].Expression + ")"
	}
	for i := range d.annotations {
		d.annotations[i].ValueExpression = `variables.outranked ? "" : (` + d.annotations[i].ValueExpression + ")"
	}
}

// governs are variables, of which the last has the given name and is whether the profile governs
// the namespace of this name and these labels, if there is one.
func (g *governance) governs(variable, exists, labels, name, object string) []admissionregistrationv1.Variable {
	outranked := "outranked" + variable
	conditions := []string{
		exists,
		"!" + matchesGlobs(name, g.protected),
		selects(g.profile, labels, name),
		"!variables." + outranked,
	}
	variables := g.outranked(outranked, labels, name, object)
	return append(variables, admissionregistrationv1.Variable{Name: variable, Expression: all(conditions)})
}

// outranked are variables, of which the last has the given name and is whether another profile
// governs. There is one for each profile, since the API server bounds the length of an expression.
func (g *governance) outranked(variable, labels, name, object string) []admissionregistrationv1.Variable {
	var variables []admissionregistrationv1.Variable
	var selecting []string
	for i, p := range g.outranking {
		by := fmt.Sprintf("%sBy%d", variable, i)
		variables = append(variables, admissionregistrationv1.Variable{
			Name: by, Expression: selectsStill(p, labels, name, object),
		})
		selecting = append(selecting, "variables."+by)
	}
	return append(variables, admissionregistrationv1.Variable{Name: variable, Expression: some(selecting)})
}

// leftOut are requirements on a namespace's labels that hold where neither its name is excluded or
// protected nor another profile outranks; false if there are none that say exactly that. A name can
// be told by its label and a glob cannot. Of a profile that outranks, a selector of one requirement
// can be turned into its opposite.
func (g *governance) leftOut() ([]metav1.LabelSelectorRequirement, bool) {
	var requirements []metav1.LabelSelectorRequirement
	var names []string
	for _, name := range slices.Concat(g.protected, g.profile.Spec.ExcludeNamespaces) {
		switch {
		case strings.ContainsAny(name, `*?[\`):
			return nil, false
		case len(validation.IsDNS1123Label(name)) == 0: // Else no namespace can bear it.
			names = append(names, name)
		}
	}
	if len(names) > 0 {
		requirements = append(requirements, requirement(corev1.LabelMetadataName, metav1.LabelSelectorOpNotIn, names...))
	}
	for _, p := range g.outranking {
		opposite, ok := opposite(p.Spec.NamespaceSelector)
		if !ok || len(p.Spec.ExcludeNamespaces) > 0 || brokenSince(p) != nil {
			return nil, false
		}
		requirements = append(requirements, opposite)
	}
	return requirements, true
}

func requirement(key string, operator metav1.LabelSelectorOperator, values ...string) metav1.LabelSelectorRequirement {
	return metav1.LabelSelectorRequirement{Key: key, Operator: operator, Values: values}
}

// opposite is the requirement that holds where a selector does not match; false if one requirement
// cannot say that.
func opposite(selector v1alpha1.NamespaceSelector) (metav1.LabelSelectorRequirement, bool) {
	if len(selector.MatchLabels)+len(selector.MatchExpressions) != 1 {
		return metav1.LabelSelectorRequirement{}, false
	}
	for key, value := range selector.MatchLabels {
		return requirement(key, metav1.LabelSelectorOpNotIn, value), true
	}
	e := selector.MatchExpressions[0]
	return requirement(e.Key, map[metav1.LabelSelectorOperator]metav1.LabelSelectorOperator{
		metav1.LabelSelectorOpIn:           metav1.LabelSelectorOpNotIn,
		metav1.LabelSelectorOpNotIn:        metav1.LabelSelectorOpIn,
		metav1.LabelSelectorOpExists:       metav1.LabelSelectorOpDoesNotExist,
		metav1.LabelSelectorOpDoesNotExist: metav1.LabelSelectorOpExists,
	}[e.Operator], e.Values...), true
}

// brokenSince is when a profile was found broken that governs by what its status remembers; nil if
// it is not.
func brokenSince(p *v1alpha1.SecurityProfile) *metav1.Time {
	if p.Status.Selection == nil {
		return nil
	}
	return p.Status.Selection.BrokenSince
}

// selectsStill is whether a profile selects a namespace; of one that is broken, whether it did when
// it was not: what was made since then it has never governed.
func selectsStill(p *v1alpha1.SecurityProfile, labels, name, namespace string) string {
	since := brokenSince(p)
	if since == nil {
		return selects(p, labels, name)
	}
	madeBefore := fmt.Sprintf(`(%[1]s == null || !%[1]s.metadata.?creationTimestamp.hasValue() || `+
		`timestamp(string(dyn(%[1]s.metadata.creationTimestamp))) < timestamp(%[2]s))`,
		namespace, quote(since.UTC().Format(time.RFC3339)))
	return all([]string{selects(p, labels, name), madeBefore})
}

// selects is whether a profile selects the namespace of this name and these labels, protected ones
// aside.
func selects(p *v1alpha1.SecurityProfile, labels, name string) string {
	var conditions []string
	selector := p.Spec.NamespaceSelector
	for _, key := range sortedKeys(selector.MatchLabels) {
		conditions = append(conditions, isIn(labels, key, []string{selector.MatchLabels[key]}))
	}
	for _, e := range selector.MatchExpressions {
		switch e.Operator {
		case metav1.LabelSelectorOpIn:
			conditions = append(conditions, isIn(labels, e.Key, e.Values))
		case metav1.LabelSelectorOpNotIn:
			conditions = append(conditions, "!"+isIn(labels, e.Key, e.Values))
		case metav1.LabelSelectorOpExists:
			conditions = append(conditions, fmt.Sprintf("(%s in %s)", quote(e.Key), labels))
		case metav1.LabelSelectorOpDoesNotExist:
			conditions = append(conditions, fmt.Sprintf("!(%s in %s)", quote(e.Key), labels))
		}
	}
	if len(p.Spec.ExcludeNamespaces) > 0 {
		conditions = append(conditions, "!"+matchesGlobs(name, p.Spec.ExcludeNamespaces))
	}
	return all(conditions)
}

func isIn(labels, key string, values []string) string {
	return fmt.Sprintf("(%s in %s && %s[%s] in %s)", quote(key), labels, labels, quote(key), list(values))
}

func sortedKeys(m map[string]string) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// matchesGlobs is whether a name matches one of the globs.
func matchesGlobs(name string, globs []string) string {
	if len(globs) == 0 {
		return "false"
	}
	alternatives := make([]string, 0, len(globs))
	for _, glob := range globs {
		alternatives = append(alternatives, globRegexp(glob))
	}
	return fmt.Sprintf("%s.matches(%s)", name, quote("^(?:"+strings.Join(alternatives, "|")+")$"))
}

// nothing is a regular expression that no character matches.
const nothing = `[^\x{0}-\x{10FFFF}]`

// globRegexp is the regular expression that matches what path.Match matches with a well-formed
// glob.
func globRegexp(glob string) string {
	var out strings.Builder
	for len(glob) > 0 {
		c, size := utf8.DecodeRuneInString(glob)
		glob = glob[size:]
		switch c {
		case '*':
			out.WriteString(`[^/]*`)
		case '?':
			out.WriteString(`[^/]`)
		case '[':
			var class string
			class, glob = classRegexp(glob)
			out.WriteString(class)
		case '\\':
			c, size = utf8.DecodeRuneInString(glob)
			glob = glob[size:]
			out.WriteString(regexp.QuoteMeta(string(c)))
		default:
			out.WriteString(regexp.QuoteMeta(string(c)))
		}
	}
	return out.String()
}

// classRegexp is the regular expression of a glob's character class, of which the bracket has been
// read, and the rest of the glob.
func classRegexp(glob string) (class, rest string) {
	negated := strings.HasPrefix(glob, "^")
	glob = strings.TrimPrefix(glob, "^")
	next := func() rune {
		glob = strings.TrimPrefix(glob, `\`)
		c, size := utf8.DecodeRuneInString(glob)
		glob = glob[size:]
		return c
	}
	var ranges strings.Builder
	for len(glob) > 0 && glob[0] != ']' {
		low := next()
		high := low
		if strings.HasPrefix(glob, "-") {
			glob = glob[1:]
			high = next()
		}
		if low <= high { // Else it holds nothing.
			fmt.Fprintf(&ranges, `\x{%X}-\x{%X}`, low, high)
		}
	}
	glob = strings.TrimPrefix(glob, "]")
	switch {
	case ranges.Len() == 0 && negated:
		return `(?s:.)`, glob
	case ranges.Len() == 0:
		return nothing, glob
	case negated:
		return "[^" + ranges.String() + "]", glob
	}
	return "[" + ranges.String() + "]", glob
}
