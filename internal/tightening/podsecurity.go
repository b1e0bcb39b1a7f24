// Package tightening knows what a stricter Pod Security level, LimitRange or quota would refuse of
// the pods that it is shown: those that run in a namespace, or those that manifests would make. It
// judges as the API server does.
//
// It is pure: it may import internal/baseline and counting, and no client or clock. It must never
// decide whether an object is deferred.
package tightening

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	podsecurity "k8s.io/pod-security-admission/api"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/internal/printable"
)

// Refused is what an object would refuse. It is empty if the object may be put in place.
type Refused struct {
	// Reasons says what would be refused, and why.
	Reasons []string
	// Pods are the names of pods that would be, as far as they are known.
	Pods []string
	// Total is how many pods would be; at least as many as are named.
	Total int64
}

// Empty reports whether nothing would be refused.
func (r *Refused) Empty() bool { return len(r.Reasons) == 0 }

// Unnamed reports whether more would be refused than is named.
func (r *Refused) Unnamed() bool { return r.Total > int64(len(r.Pods)) }

// Add adds what another check found.
func (r *Refused) Add(other *Refused) {
	r.Reasons = append(r.Reasons, other.Reasons...)
	r.Pods = append(r.Pods, other.Pods...)
	r.Total += other.Total
}

// AddPod adds a pod that would be refused, and says why of the first ones.
func (r *Refused) AddPod(pod, why string) {
	r.Total++
	r.Pods = append(r.Pods, pod)
	if len(r.Reasons) < maxReasons {
		r.Reasons = append(r.Reasons, fmt.Sprintf("pod %s: %s", pod, why))
	}
}

// Message is the reasons as a report holds them.
func (r *Refused) Message() string {
	return printable.Cut(printable.Line(strings.Join(r.Reasons, "; ")), maxMessage)
}

const maxMessage = 1024

// Names are the first of the pods in the order of their names.
func (r *Refused) Names() []string {
	names := slices.Compact(slices.Sorted(slices.Values(r.Pods)))
	return names[:min(len(names), v1alpha1.MaxViolators)]
}

// StricterLabels reports whether the enforced Pod Security level of some labels of a namespace may
// refuse what that of others lets in: it is higher, or of another version, which may have more
// checks or stricter ones. The API server looks at pods in the same cases.
func StricterLabels(labels, than map[string]string) bool {
	level, before := enforcedLevel(labels), enforcedLevel(than)
	return level.Level != podsecurity.LevelPrivileged &&
		(level.Version != before.Version || podsecurity.CompareLevels(level.Level, before.Level) > 0)
}

// enforcedLevel is the level that the API server takes from labels of a namespace: restricted if it
// cannot read them; privileged if there are none, unless it is configured otherwise.
func enforcedLevel(labels map[string]string) podsecurity.LevelVersion {
	none := podsecurity.LevelVersion{Level: podsecurity.LevelPrivileged, Version: podsecurity.LatestVersion()}
	read, _ := podsecurity.PolicyToEvaluate(labels, podsecurity.Policy{Enforce: none, Audit: none, Warn: none})
	return read.Enforce
}

// InterimLabels are labels of a namespace while their level is deferred: those of before say which
// level is enforced, and the deferred one warns and audits, unless stricter ones do.
func InterimLabels(labels, before map[string]string) map[string]string {
	interim := maps.Clone(labels)
	level, version := labels[podsecurity.EnforceLevelLabel], labels[podsecurity.EnforceVersionLabel]
	for mode, modeVersion := range map[string]string{
		podsecurity.WarnLevelLabel:  podsecurity.WarnVersionLabel,
		podsecurity.AuditLevelLabel: podsecurity.AuditVersionLabel,
	} {
		if podsecurity.CompareLevels(podsecurity.Level(level), podsecurity.Level(cmp.Or(labels[mode], privileged))) > 0 {
			interim[mode], interim[modeVersion] = level, version
		}
	}
	delete(interim, podsecurity.EnforceLevelLabel)
	delete(interim, podsecurity.EnforceVersionLabel)
	maps.Copy(interim, baseline.EnforcedLabels(before))
	return interim
}

const privileged = string(podsecurity.LevelPrivileged)

var (
	// violators matches what the API server warns of pods that violate a level
	// (k8s.io/pod-security-admission/admission).
	violators = regexp.MustCompile(`^([-a-z0-9.]+)(?: \(and (\d+) other pods?\))?: (.+)$`)
	headline  = regexp.MustCompile(
		`^existing pods in namespace "[^"]*" violate the new PodSecurity enforce level "([^"]*)"$`,
	)
	exempted = regexp.MustCompile(`^namespace "[^"]*" is exempt from Pod Security`)
	partly   = regexp.MustCompile(
		`^new PodSecurity enforce level only checked against the first \d+ of \d+ existing pods$`,
	)
	unchecked = regexp.MustCompile(`^failed to list pods while checking new PodSecurity enforce level$`)
)

// RefusedByLevel is what the API server warned of when it was asked to enforce a level.
func RefusedByLevel(warnings []string) *Refused {
	r := &Refused{}
	level := ""
	for _, warning := range warnings {
		if m := headline.FindStringSubmatch(warning); m != nil {
			level = m[1]
			continue
		}
		if unchecked.MatchString(warning) {
			r.Reasons = append(r.Reasons, warning)
			continue
		}
		m := violators.FindStringSubmatch(warning)
		if level == "" || m == nil {
			continue
		}
		others, _ := strconv.ParseInt(m[2], 10, 32) // It is absent if there are none.
		r.Pods = append(r.Pods, m[1])
		r.Total += 1 + others
		r.Reasons = append(r.Reasons, warning)
	}
	if level != "" {
		r.Reasons = append([]string{fmt.Sprintf("pods that run violate the Pod Security level %s", level)}, r.Reasons...)
	}
	return r
}

// Nameless is the same without the pods' names: of those that violate a level in the same way the
// API server names one, and another each time.
func (r *Refused) Nameless() *Refused {
	nameless := &Refused{Total: r.Total}
	for _, reason := range r.Reasons {
		if m := violators.FindStringSubmatch(reason); m != nil {
			others, _ := strconv.ParseInt(m[2], 10, 32) // It is absent if there are none.
			reason = fmt.Sprintf("%s (pods: %d)", m[3], 1+others)
		}
		nameless.Reasons = append(nameless.Reasons, reason)
	}
	if len(nameless.Reasons) > 1 {
		slices.Sort(
			nameless.Reasons[1:],
		) // The first one says which level. The API server puts the others in the order of the names.
	}
	return nameless
}

// Unfinished reports whether the API server says that it has not looked at all pods: it takes a
// second at most, and 3,000 pods.
func Unfinished(warnings []string) bool { return slices.ContainsFunc(warnings, partly.MatchString) }

// Clean reports whether the warnings that came with a stricter level say that every pod meets it.
func Clean(warnings []string) bool {
	return RefusedByLevel(warnings).Empty() && !Unfinished(warnings)
}

// Exempt is what the API server warned of if the namespace is exempt from Pod Security.
func Exempt(warnings []string) string {
	for _, warning := range warnings {
		if exempted.MatchString(warning) {
			return warning
		}
	}
	return ""
}
