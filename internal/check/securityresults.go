package check

import (
	"context"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	kruntime "k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/pod-security-admission/api"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
)

// template holds an object with a template against what API validation asks of it, and Pod Security
// warns of.
func (j judgement) template(ctx context.Context, r *run, o, old *object, found *collected) error {
	gvk := schema.FromAPIVersionAndKind(o.APIVersion, o.Kind)
	resource, _ := meta.UnsafeGuessKindToResource(gvk)
	var before kruntime.Object
	if old != nil {
		before = old.typed
	}
	said, err := j.security.validate(
		ctx,
		j.space.namespace,
		attributes(gvk, resource, o.Namespace, o.Name, r.in.User.GetName(), o.typed, before),
	)
	if err != nil {
		return err
	}
	limits(o, o.made, nil, false, found)
	return j.securityResults(o, o.made, said, false, found)
}

// securityResults are the checks of Pod Security that fail, each by itself, with what the API
// server answers.
func (j judgement) securityResults(o *object, pod *corev1.Pod, said said, ofPods bool, found *collected) error {
	of := levels(j.space.namespace.Labels)
	for _, mode := range []struct {
		action Action
		answer string
		level  api.LevelVersion
	}{
		{Deny, said.denied, of.Enforce},
		{Warn, strings.Join(said.warnings, "; "), of.Warn},
		{Audit, said.audited, of.Audit},
	} {
		if mode.answer == "" || mode.action == Audit && (said.denied != "" || len(said.warnings) > 0) {
			continue
		}
		failed, err := j.security.failures(mode.level, &pod.ObjectMeta, &pod.Spec)
		if err != nil {
			return err
		}
		verdict := fmt.Sprintf("violates PodSecurity %q", mode.level)
		for _, f := range failed {
			rule := rulesByID[podSecurityRule+string(f.check)]
			for _, at := range offenders(o, &pod.Spec, rule, namesIn(f.words, &pod.Spec)) {
				found.add(Result{
					Rule: podSecurityRule + string(f.check), Action: mode.action, Severity: severityOf(mode.action),
					Message: verdict + ": " + f.words, Verdict: verdict, Answer: mode.answer,
					OfPods: ofPods, Container: at.name, Path: at.path, Fix: at.fix,
				})
			}
		}
	}
	return nil
}

func severityOf(action Action) v1alpha1.Severity {
	if action == Deny {
		return v1alpha1.SeverityHigh
	}
	return v1alpha1.SeverityMedium
}
