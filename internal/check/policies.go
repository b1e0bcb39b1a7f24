package check

import (
	"context"
	"fmt"
	"regexp"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/admission/offline"
)

// ruleIn finds the rules in the message of a policy on pods, which lists all that are broken.
var ruleIn = regexp.MustCompile(`(?:^|; )([a-z][A-Za-z]+): `)

// policies are what the admission policies have against a request.
func (j judgement) policies(
	ctx context.Context,
	o *object,
	request *offline.Prepared,
	ofPods bool,
	found *collected,
) error {
	violations, err := j.violations(ctx, request, found)
	if err != nil {
		return err
	}
	resource, _ := meta.UnsafeGuessKindToResource(request.Object.GroupVersionKind())
	for _, v := range violations {
		name := request.Object.GetName()
		if ofPods {
			name = podName
		}
		answer := fmt.Sprintf("%s %q is forbidden: ValidatingAdmissionPolicy '%s' with binding '%s' denied request: %s",
			resource.GroupResource(), name, v.Policy, v.Policy, v.Message)
		concern := strings.TrimPrefix(v.Policy, v1alpha1.NamePrefix+j.profile.Name+"-")
		for _, broken := range j.broken(o, concern, v.Message) {
			broken.Action, broken.Severity, broken.Answer, broken.OfPods = Action(
				v.Action,
			), severityOf(
				Action(v.Action),
			), answer, ofPods
			found.add(broken)
		}
	}
	return nil
}

// broken are the rules that the message of a policy names, each with who breaks it.
func (j judgement) broken(o *object, concern, message string) []Result {
	section, _, _ := strings.Cut(concern, "-waiting")
	section, _, _ = strings.Cut(section, "-was-")
	matches := ruleIn.FindAllStringSubmatchIndex(message, -1)
	if len(matches) == 0 || section != "workloads" && section != "images" && section != "services" {
		return []Result{{Rule: admissionRule + section, Message: message, Path: o.pathOf(section, message)}}
	}
	spec := o.podSpec()
	said := fmt.Sprintf(" (spec.%s of SecurityProfile %s)", section, j.profile.Name)
	var results []Result
	for i, m := range matches {
		end := len(message)
		if i+1 < len(matches) {
			end = matches[i+1][0]
		}
		text := strings.TrimSuffix(strings.TrimPrefix(message[m[0]:end], "; "), said)
		id := admissionRule + section + "/" + message[m[2]:m[3]]
		if section == "services" {
			id = admissionRule + "workloads/" + message[m[2]:m[3]]
			results = append(results, Result{Rule: id, Message: message, Path: pathOfConcern[section]})
			continue
		}
		rule := rulesByID[id]
		names, must := offendersIn(text)
		for _, at := range offenders(o, spec, rule, names) {
			words := text
			if len(names) > 1 && must != "" {
				words = fmt.Sprintf("%s: %s %s %s", message[m[2]:m[3]], singular(text), at.name, must)
			}
			at.fix = filled(at.fix, j.profile)
			results = append(results, Result{Rule: id, Message: words + said, Container: at.name, Path: at.path, Fix: at.fix})
		}
	}
	return results
}

// pathOf is where it stands what a policy of a section refuses.
func (o *object) pathOf(section, message string) []any {
	if policy, ok := o.typed.(*networkingv1.NetworkPolicy); ok && section == "tenant-network-policies" {
		return opening(policy, message)
	}
	return pathOfConcern[section]
}

// podSpec is the spec of an object's pods; an empty one if it has none.
func (o *object) podSpec() *corev1.PodSpec {
	if o.made == nil {
		return &corev1.PodSpec{}
	}
	return &o.made.Spec
}

// named splits the words of a rule: whom they name, and what is asked of them.
var named = regexp.MustCompile(`^\w+: (container|volume|toleration)s? (.*?) (must .*)$`)

func offendersIn(text string) (names []string, must string) {
	found := named.FindStringSubmatch(text)
	if found == nil || found[1] == "toleration" {
		return nil, ""
	}
	for name := range strings.SplitSeq(strings.TrimSuffix(found[2], " and others"), ", ") {
		names = append(names, strings.TrimPrefix(name, "volume "))
	}
	return names, found[3]
}

func singular(text string) string {
	if found := named.FindStringSubmatch(text); found != nil {
		return found[1]
	}
	return "container"
}
