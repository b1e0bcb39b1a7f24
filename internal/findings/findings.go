// Package findings knows what weakens a baseline though Bulwark does not manage it. It draws facts
// from unmanaged objects, and judges the facts by what a profile declares; internal/findings/watch
// keeps the facts and not the objects.
//
// It is pure: it may import the API, internal/baseline and other pure packages, and must never talk
// to a cluster.
package findings

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/internal/printable"
)

// Facts are what is known of the unmanaged objects of a namespace that may weaken a baseline, each
// by the name of its object. Harmless objects are not among them.
type Facts struct {
	Policies map[string]Policy
	Bindings map[string]Binding
	Accounts map[string]MountedToken
	Limits   map[string]LimitDefaults
	Quotas   map[string]Counts
	// Roles are the powers of the Roles of the namespace, ClusterRoles those of the ClusterRoles.
	Roles, ClusterRoles map[string]Powers
	// Bound are the ClusterRoles that bindings of the profile give, and that permit what a profile
	// must not grant.
	Bound map[string]BoundRole
	// Exceeded are the baseline's own quotas of which more is used than they grant, with the words
	// that say of what.
	Exceeded map[string]string
	// Pods is what was seen of the pods.
	Pods PodFacts

	// Callers have the API server call Services of the namespace, Gates are what unmanaged policies
	// let in that is no pod, and Services are the specs of the Services that are called; one that
	// is not known is not among them.
	Callers  []Caller
	Gates    map[string]Gate
	Services map[string]*corev1.ServiceSpec
	// Shortages are workloads that lack pods, and Attempts the events that tell why.
	Shortages map[string]Shortage
	Attempts  map[string]Attempt
	// Large are objects that are larger than MaxBytes, in any order, and Uncached how many objects
	// of a kind bear Bulwark's label and are not cached.
	Large    []Large
	Uncached map[string]int
	// LabelSync is what is known of OpenShift's label syncer.
	LabelSync LabelSync
	// GetOpensStreams says that the API server lets whoever may `get` pods/exec and pods/attach use
	// them.
	GetOpensStreams bool
}

// Forget drops what is known of an object.
func (f *Facts) Forget(o baseline.Object) {
	switch o.(type) {
	case *networkingv1.NetworkPolicy:
		delete(f.Policies, o.GetName())
		delete(f.Gates, o.GetName())
	case *corev1.LimitRange:
		delete(f.Limits, o.GetName())
	case *corev1.ResourceQuota:
		delete(f.Quotas, o.GetName())
	case *corev1.ServiceAccount:
		delete(f.Accounts, o.GetName())
	case *rbacv1.Role:
		delete(f.Roles, o.GetName())
	case *rbacv1.RoleBinding:
		delete(f.Bindings, o.GetName())
	}
}

// Judge lists what weakens the baseline that the profile declares for a namespace, the gravest
// first.
func Judge(profile *v1alpha1.SecurityProfile, namespace string, facts *Facts) []v1alpha1.Finding {
	j := newJudge(profile, namespace)
	j.policies(facts.Policies)
	j.bindings(facts)
	j.boundRoles(facts.Bound)
	j.accounts(facts.Accounts)
	j.limits(facts.Limits)
	j.podSecurity(&facts.Pods)
	j.podRules(&facts.Pods)
	j.quotas(facts.Exceeded)
	j.countingQuotas(facts.Quotas)
	j.labelSync(&facts.LabelSync)
	j.large(facts.Large)
	j.tooMany(facts.Uncached)
	j.unreachable(facts)
	j.refused(facts)
	Sort(j.findings)
	return j.findings
}

// Sort puts findings into their order, the gravest first.
func Sort(findings []v1alpha1.Finding) { slices.SortStableFunc(findings, gravestFirst) }

// judge gathers findings.
type judge struct {
	profile   *v1alpha1.SecurityProfile
	namespace string
	desired   func() []baseline.Object // rendered if anything hangs on it, and once
	findings  []v1alpha1.Finding
}

func newJudge(profile *v1alpha1.SecurityProfile, namespace string) *judge {
	return &judge{profile: profile, namespace: namespace, desired: sync.OnceValue(func() []baseline.Object {
		return baseline.Render(profile, namespace)
	})}
}

func (j *judge) add(f v1alpha1.Finding) {
	j.findings = append(j.findings, Printable(f))
}

// Printable is a finding as a report holds it, and a person reads it. Of one that is as a report
// holds it, it is the same.
func Printable(f v1alpha1.Finding) v1alpha1.Finding {
	f.Object = printableReference(f.Object)
	f.Message = printable.Cut(printable.Line(f.Message), maxMessage)
	if !printable.Plain(f.Remedy) {
		f.Remedy = printable.Cut(printable.Line(f.Remedy), maxRemedy-1)
	}
	return f
}

const (
	maxMessage    = 1024
	maxAPIVersion = 316
	maxKind       = 62
)

// printableReference is a reference as a report can hold it. Whom an object names as its owner, and
// what an event is about, is no more than what somebody wrote there.
func printableReference(o v1alpha1.ObjectReference) v1alpha1.ObjectReference {
	return v1alpha1.ObjectReference{
		APIVersion: printable.Cut(printable.Line(o.APIVersion), maxAPIVersion),
		Kind:       printable.Cut(printable.Line(o.Kind), maxKind),
		Name:       baseline.PrintableName(o.Name),
	}
}

var severities = []v1alpha1.Severity{
	v1alpha1.SeverityCritical,
	v1alpha1.SeverityHigh,
	v1alpha1.SeverityMedium,
	v1alpha1.SeverityLow,
}

// lower is the next lower severity.
func lower(s v1alpha1.Severity) v1alpha1.Severity {
	return severities[min(slices.Index(severities, s)+1, len(severities)-1)]
}

func gravestFirst(a, b v1alpha1.Finding) int {
	return cmp.Or(
		cmp.Compare(slices.Index(severities, a.Severity), slices.Index(severities, b.Severity)),
		cmp.Compare(a.ID, b.ID),
		cmp.Compare(a.Object.Kind, b.Object.Kind),
		cmp.Compare(a.Object.Name, b.Object.Name),
		cmp.Compare(a.Message, b.Message),
	)
}

// SortTotals puts totals into the order of their findings.
func SortTotals(totals []v1alpha1.FindingTotal) {
	slices.SortStableFunc(totals, func(a, b v1alpha1.FindingTotal) int {
		return cmp.Or(
			cmp.Compare(slices.Index(severities, a.Severity), slices.Index(severities, b.Severity)),
			cmp.Compare(a.ID, b.ID),
		)
	})
}

// Total counts findings by what they are and how grave.
func Total(findings []v1alpha1.Finding) []v1alpha1.FindingTotal {
	var totals []v1alpha1.FindingTotal
	for _, f := range findings { // They are in order, so that equals are neighbours.
		if last := len(totals) - 1; last >= 0 && totals[last].ID == f.ID && totals[last].Severity == f.Severity {
			totals[last].Count++
		} else {
			totals = append(totals, v1alpha1.FindingTotal{ID: f.ID, Severity: f.Severity, Count: 1})
		}
	}
	return totals
}

// Reference names an object of one of the kinds that baselines are made of.
func Reference(kind, name string) v1alpha1.ObjectReference {
	if kind == podKind {
		return v1alpha1.ObjectReference{APIVersion: "v1", Kind: kind, Name: name}
	}
	i := slices.IndexFunc(baseline.Kinds, func(k baseline.Kind) bool { return k.Kind == kind })
	o := baseline.Kinds[i].New()
	o.SetName(name)
	return baseline.Reference(o)
}

// listed is at most so many of the words, as people write a list.
func listed(words []string, most int) string {
	if len(words) <= most {
		return strings.Join(words, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(words[:most], ", "), len(words)-most)
}

func sortedKeys[V any](m map[string]V) []string {
	return slices.Sorted(maps.Keys(m))
}
