package check

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"sync"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/manifests"
)

// Action is what becomes of a request.
type Action string

const (
	// Deny refuses the request, or the pods that a controller would make of it.
	Deny Action = "Deny"
	// Warn admits it, and warns. Weaknesses of a baseline are warned of.
	Warn Action = "Warn"
	// Audit admits it, and notes it in the audit log.
	Audit Action = "Audit"
)

// Actions are all of them, the strongest first.
func Actions() []Action { return []Action{Deny, Warn, Audit} }

// AtLeast reports whether an action is as strong as another.
func (a Action) AtLeast(other Action) bool {
	return slices.Index(Actions(), a) <= slices.Index(Actions(), other)
}

// Reference names an object of a manifest.
type Reference struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Namespace  string `json:"namespace,omitempty"`
	Name       string `json:"name"`
}

// String is the object as people name it.
func (r Reference) String() string {
	if r.Namespace == "" {
		return r.Kind + " " + r.Name
	}
	return r.Kind + " " + r.Namespace + "/" + r.Name
}

// Result is one rule that one object, or one container of it, does not keep.
type Result struct {
	// Rule is the rule's name in the catalogue.
	Rule     string
	Action   Action
	Severity v1alpha1.Severity
	// Message says what is wrong, in the words of who would refuse it.
	Message string
	// Verdict is how the message begins that is one with those of other results: the API server
	// refuses for all of them at once. It is empty of what stands alone.
	Verdict string
	// Answer is all that the API server would answer; empty for what it admits without a word.
	Answer string
	// Remedy says what to do about it, where a rule's help does not.
	Remedy string
	// Object is whose it is, and Container the container or volume of it.
	Object    Reference
	Container string
	// Detail tells results of one rule and container apart, such as the file of an image that a
	// secret is in; empty of most.
	Detail string
	// OfPods says that the object is admitted, and the pods that are made of it are refused.
	OfPods bool
	// Profile is the profile that governs there.
	Profile string
	// Document is where the object stands, and Path where in it.
	Document *manifests.Document
	Path     []any
	// Fix are the changes that mend it; none if there is none that is certain.
	Fix []Change
	// Suppressed says why it does not count; empty if it does.
	Suppressed string
	// Elsewhere is where it stands if that is in no manifest.
	Elsewhere Elsewhere
}

// Elsewhere is a place in a file that holds no manifests. Its lines are zero where they are not
// known.
type Elsewhere struct {
	File          string
	Line, EndLine int
}

// Change is a field that is to be set to a value.
type Change struct {
	Path  []any
	Value any
}

// Fingerprint tells a result from others, whatever moves in the file, is renamed or is reordered
// around it: by rule, object and container.
func (r *Result) Fingerprint() string {
	parts := []string{r.Rule, r.Object.APIVersion, r.Object.Kind, r.Object.Namespace, r.Object.Name, r.Container}
	if r.Container == "" { // One rule may find several weaknesses of an object.
		parts = append(parts, r.Message)
	}
	if r.Detail != "" {
		parts = append(parts, r.Detail)
	}
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return hex.EncodeToString(sum[:16])
}

// collected gathers the results of one object. Of what is said twice the strongest is kept: a
// template that is warned of, and whose pods are refused for the same.
type collected struct {
	object  *object
	profile string
	words   *words
	results []Result
	// unjudged are the errors of rules that cannot be evaluated.
	unjudged []error
}

// words are messages, each of which is held once: a hundred thousand results say the same few
// hundred things.
type words struct{ known sync.Map }

func (w *words) of(text string) string {
	if w == nil {
		return text
	}
	known, _ := w.known.LoadOrStore(text, text)
	return known.(string)
}

func (f *collected) add(result Result) {
	result.Object, result.Document = f.object.Reference, f.object.document
	result.Profile, result.Message = cmp.Or(result.Profile, f.profile), f.words.of(result.Message)
	for i := range f.results {
		known := &f.results[i]
		if known.Rule == result.Rule && known.Container == result.Container &&
			(known.OfPods != result.OfPods || known.Message == result.Message) {
			if !known.Action.AtLeast(result.Action) {
				*known = result
			}
			return
		}
	}
	f.results = append(f.results, result)
}

// sort puts results in the order of files and lines; those of one object stay in theirs.
func (r *run) sort() {
	order := map[*manifests.Document]int{}
	for i, o := range r.objects {
		order[o.document] = i
	}
	order[nil] = len(r.objects) // What stands in no manifest goes last.
	slices.SortStableFunc(r.report.Results, func(a, b *Result) int {
		return cmp.Compare(order[a.Document], order[b.Document])
	})
}
