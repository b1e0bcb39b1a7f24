package findings

import (
	"fmt"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"
	podsecurity "k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/printable"
)

const podKind = "Pod"

// PodFacts are what was seen of the pods of a namespace and of how the API server admits them.
type PodFacts struct {
	// Exempt is what the API server says of the namespace if it is exempt from Pod Security.
	Exempt string
	// Violations are the pods that violate the declared level, by name, with what they violate.
	Violations map[string]string
	// Rules are the pods that break rules of the profile for pods, by name.
	Rules map[string]RuleViolation
	// Unseen is how many pods there are beyond those that are looked at.
	Unseen int64
}

// Level is what a pod must meet.
type Level struct{ podsecurity.LevelVersion }

// evaluator holds Kubernetes' own checks, of every version.
var evaluator = sync.OnceValue(func() policy.Evaluator {
	e, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		panic(fmt.Sprintf("findings: the Pod Security checks of Kubernetes are not valid: %v", err))
	}
	return e
})

// LevelOf is the enforced level that a profile declares; false if it declares none that refuses
// anything.
func LevelOf(profile *v1alpha1.SecurityProfile) (*Level, bool) {
	ps := profile.Spec.PodSecurity
	if ps == nil || ps.Enforce == "" || ps.Enforce == v1alpha1.PodSecurityLevel(podsecurity.LevelPrivileged) {
		return nil, false
	}
	version, err := podsecurity.ParseVersion(string(ps.EffectiveEnforceVersion()))
	if err != nil {
		return nil, false // The API server lets none such in.
	}
	return &Level{podsecurity.LevelVersion{Level: podsecurity.Level(ps.Enforce), Version: version}}, true
}

// Violation is what a pod that runs violates; false if it violates nothing or has ended.
func (l *Level) Violation(pod *corev1.Pod) (string, bool) {
	if pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed {
		return "", false
	}
	result := policy.AggregateCheckResults(evaluator().EvaluatePod(l.LevelVersion, &pod.ObjectMeta, &pod.Spec))
	return printable.Cut(result.ForbiddenDetail(), maxText), !result.Allowed
}

var checks = sync.OnceValue(policy.DefaultChecks)

// procMountRestricted is a check of v1.35. Before v1.35 the same function ran in baseline, so that
// no older version of restricted lacks it.
const procMountRestricted policy.CheckID = "procMount_restricted"

// outdated are the checks of the level that its version does not have yet.
func (l *Level) outdated() []string {
	var missing []string
	for _, check := range checks() {
		if podsecurity.CompareLevels(check.Level, l.Level) > 0 || check.ID == procMountRestricted {
			continue
		}
		if since := check.Versions[0].MinimumVersion; l.Older(since) {
			missing = append(missing, fmt.Sprintf("%s (%s)", check.ID, since.String()))
		}
	}
	return missing
}

// podSecurity finds what weakens the declared Pod Security level.
func (j *judge) podSecurity(facts *PodFacts) {
	level, declared := LevelOf(j.profile)
	if !declared {
		return
	}
	namespace := v1alpha1.ObjectReference{APIVersion: "v1", Kind: "Namespace", Name: j.namespace}
	if facts.Exempt != "" && j.profile.LooksFor(v1alpha1.FindingIDPodSecurityExempt) {
		j.add(v1alpha1.Finding{
			ID:       v1alpha1.FindingIDPodSecurityExempt,
			Severity: v1alpha1.SeverityCritical,
			Object:   namespace,
			Message:  facts.Exempt,
			Remedy:   "take the namespace out of exemptions.namespaces in the API server's PodSecurity admission configuration",
		})
	}
	if missing := level.outdated(); len(missing) > 0 && j.profile.LooksFor(v1alpha1.FindingIDPodSecurityOutdated) {
		j.add(v1alpha1.Finding{
			ID:       v1alpha1.FindingIDPodSecurityOutdated,
			Severity: v1alpha1.SeverityLow,
			Object:   namespace,
			Message: fmt.Sprintf(
				"%s at version %s lacks checks that the level has by now: %s",
				level.Level,
				level.Version,
				strings.Join(missing, ", "),
			),
			Remedy: "raise spec.podSecurity.enforceVersion, or leave it out for latest",
		})
	}
	if !j.profile.LooksFor(v1alpha1.FindingIDPodSecurityViolated) {
		return
	}
	for _, name := range sortedKeys(facts.Violations) {
		j.add(v1alpha1.Finding{
			ID: v1alpha1.FindingIDPodSecurityViolated, Severity: v1alpha1.SeverityHigh, Object: Reference(podKind, name),
			Message: fmt.Sprintf("it runs and violates %s: %s", level.LevelVersion, facts.Violations[name]),
			Remedy:  "change its security context and roll it out anew; a pod that runs is never ended by a stricter level",
		})
	}
	if facts.Unseen > 0 {
		j.add(v1alpha1.Finding{
			ID: v1alpha1.FindingIDPodSecurityViolated, Severity: v1alpha1.SeverityLow, Object: namespace,
			Message: fmt.Sprintf("%d pods more than are looked at may violate %s", facts.Unseen, level.LevelVersion),
			Remedy:  "mend those that are named; the next are looked at then",
		})
	}
}
