package check

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/admission"
	"github.com/bulwark-dev/bulwark/internal/admission/offline"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/internal/selection"
)

// OperatorUser is the user that the operator is, as it is installed.
const OperatorUser = "system:serviceaccount:" + v1alpha1.OperatorNamespace + ":bulwark-manager"

// space is a namespace once its profile has been carried out in it.
type space struct {
	governor  *governor // nil if no profile governs it
	namespace *corev1.Namespace
	posture   *v1alpha1.NamespacePosture
	baseline  []baseline.Object
	limits    [][]corev1.LimitRangeItem
	quotas    []*corev1.ResourceQuota
}

// governor is a profile that governs, with its policies.
type governor struct {
	profile   *v1alpha1.SecurityProfile
	evaluator *offline.Evaluator
	security  *podSecurity

	mu    sync.Mutex
	known map[[sha256.Size]byte]*outcome // what was said of pods, by what they are and where
}

// governors are all of them, and the namespaces that objects are in.
type governors struct {
	all      []*governor
	byName   map[string]*governor
	selector *selection.Selector
	known    map[string]*corev1.Namespace
	given    map[string][]any // LimitRanges and quotas among the manifests, by namespace

	mu       sync.Mutex
	spaces   map[string]*space
	problems map[string]error // by namespace
}

// govern reads which profiles there are.
func (r *run) govern() error {
	if len(r.in.Profiles) == 0 {
		return errors.New(
			"no SecurityProfile is given: name one by --profile FILE, or take those of a cluster by --from-cluster",
		)
	}
	protected, err := selection.Protected(append([]string{v1alpha1.OperatorNamespace}, r.in.Protected...)...)
	if err != nil {
		return err
	}
	g := &r.govs
	g.selector, g.byName = selection.New(r.in.Profiles, protected), map[string]*governor{}
	g.known, g.spaces, g.problems = r.knownNamespaces(), map[string]*space{}, map[string]error{}
	var problems []error
	for i := range r.in.Profiles {
		p := &r.in.Profiles[i]
		if g.byName[p.Name] != nil {
			problems = append(problems, fmt.Errorf("there are two SecurityProfiles named %s", p.Name))
		}
		if err := g.selector.Invalid(p.Name); err != nil {
			problems = append(problems, fmt.Errorf("SecurityProfile %s: %w", p.Name, err))
		}
		governor := &governor{profile: p, known: map[[sha256.Size]byte]*outcome{}, security: newPodSecurity()}
		governor.evaluator = offline.NewLazy(p, admission.Cluster{
			Outranking: g.selector.Outranking(p), Protected: protected, Operator: OperatorUser,
		})
		g.byName[p.Name] = governor
		g.all = append(g.all, governor)
	}
	return errors.Join(problems...)
}

// space is a namespace, which is made the first time that it is asked for; nil if it is not known
// what governs it.
func (r *run) space(name string) *space {
	g := &r.govs
	g.mu.Lock()
	defer g.mu.Unlock()
	if s, made := g.spaces[name]; made {
		return s
	}
	ns, isKnown := g.known[name]
	if !isKnown {
		var err error
		if ns, err = r.assumed(name, g.selector); err != nil {
			g.spaces[name], g.problems[name] = nil, err
			return nil
		}
	}
	s := &space{namespace: ns}
	if p := g.selector.Governing(ns); p != nil {
		s.carryOut(g.byName[p.Name])
		r.report.Governed[name] = p.Name
	}
	s.gather(g.given[name])
	g.spaces[name] = s
	return s
}

// unknown says of which namespaces it is not known what governs them.
func (g *governors) unknown() error {
	var problems []error
	for _, name := range slices.Sorted(maps.Keys(g.problems)) {
		problems = append(problems, g.problems[name])
	}
	return errors.Join(problems...)
}

// knownNamespaces are the namespaces of which labels are known, by name.
func (r *run) knownNamespaces() map[string]*corev1.Namespace {
	known := map[string]*corev1.Namespace{}
	for i := range r.in.Namespaces {
		known[r.in.Namespaces[i].Name] = r.in.Namespaces[i].DeepCopy()
	}
	for _, ns := range known {
		if ns.Labels == nil {
			ns.Labels = map[string]string{}
		}
		ns.Labels[corev1.LabelMetadataName] = ns.Name
	}
	return known
}

// assumed is a namespace of which nothing is known but its name: the one profile that there is
// selects it by its labels.
func (r *run) assumed(name string, selector *selection.Selector) (*corev1.Namespace, error) {
	ns := &corev1.Namespace{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{corev1.LabelMetadataName: name}},
	}
	if selector.Protects(name) {
		return ns, nil
	}
	if len(r.in.Profiles) > 1 {
		return nil, fmt.Errorf("the labels of namespace %s are not known, and so not which of %d profiles governs it: "+
			"give its manifest, by -f or by --namespaces FILE", name, len(r.in.Profiles))
	}
	wanted := r.in.Profiles[0].Spec.NamespaceSelector
	for _, e := range wanted.MatchExpressions {
		switch {
		case e.Operator == metav1.LabelSelectorOpIn && len(e.Values) > 0:
			ns.Labels[e.Key] = e.Values[0]
		case e.Operator == metav1.LabelSelectorOpExists:
			if _, has := ns.Labels[e.Key]; !has {
				ns.Labels[e.Key] = ""
			}
		}
	}
	maps.Copy(ns.Labels, wanted.MatchLabels)
	ns.Labels[corev1.LabelMetadataName] = name
	return ns, nil
}

// uid is that of a namespace that there is not yet.
const uid = types.UID("00000000-0000-4000-8000-000000000000")

// carryOut puts the profile's baseline in place, as the operator will.
func (s *space) carryOut(g *governor) {
	s.governor, s.baseline = g, baseline.Render(g.profile, s.namespace.Name)
	if s.namespace.UID == "" {
		s.namespace.UID = uid
	}
	if g.profile.EffectiveEnforcement() == v1alpha1.EnforcementEnforce {
		maps.Copy(s.namespace.Labels, s.baseline[0].GetLabels())
	}
	s.posture = &v1alpha1.NamespacePosture{
		ObjectMeta:   metav1.ObjectMeta{Name: v1alpha1.PostureName, Namespace: s.namespace.Name},
		Profile:      g.profile.Name,
		Enforcement:  v1alpha1.EnforcementEnforce,
		NamespaceUID: s.namespace.UID,
		Status: v1alpha1.NamespacePostureStatus{
			Conditions: []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue}},
		},
	}
}

// judgement is a governor that has something to say of an object, and where.
type judgement struct {
	*governor
	space  *space
	rights *rights
}

// of are those who have something to say of an object: the governor of its namespace; all of them,
// of what is in none.
func (r *run) of(o *object) []judgement {
	if o.Kind == "Namespace" {
		r.space(o.Name) // Of several profiles it must be known which governs it.
	}
	if o.Namespace == "" {
		var all []judgement
		for _, governor := range r.govs.all {
			all = append(all, judgement{governor: governor})
		}
		return all
	}
	if s := r.space(o.Namespace); s != nil && s.governor != nil {
		return []judgement{{governor: s.governor, space: s}}
	}
	return nil
}
