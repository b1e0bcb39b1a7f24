package check

import (
	"context"
	"fmt"
	"sync"

	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kruntime "k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/pod-security-admission/admission"
	admissionapi "k8s.io/pod-security-admission/admission/api"
	"k8s.io/pod-security-admission/admission/api/load"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/metrics"
	"k8s.io/pod-security-admission/policy"
)

// podSecurity is the API server's own admission plugin, as it is without a configuration file, and
// each of its checks by itself.
type podSecurity struct {
	plugin    func(*corev1.Namespace) (*admission.Admission, error)
	plugins   sync.Map // by namespace: func() (*admission.Admission, error)
	evaluator func() (policy.Evaluator, error)
	checks    func() ([]singleCheck, error)
}

type singleCheck struct {
	id        policy.CheckID
	evaluator policy.Evaluator
}

func newPodSecurity() *podSecurity {
	configuration := sync.OnceValues(
		func() (*admissionapi.PodSecurityConfiguration, error) { return load.LoadFromData(nil) },
	)
	evaluator := sync.OnceValues(
		func() (policy.Evaluator, error) { return policy.NewEvaluator(policy.DefaultChecks(), nil) },
	)
	return &podSecurity{
		plugin: func(ns *corev1.Namespace) (*admission.Admission, error) {
			c, err := configuration()
			if err != nil {
				return nil, fmt.Errorf("configuring Pod Security: %w", err)
			}
			e, err := evaluator()
			if err != nil {
				return nil, fmt.Errorf("making the checks of Pod Security: %w", err)
			}
			plugin := &admission.Admission{
				Configuration:   c,
				Evaluator:       e,
				Metrics:         unmeasured{},
				NamespaceGetter: only{ns},
				PodLister:       only{ns},
			}
			if err := plugin.CompleteConfiguration(); err != nil {
				return nil, fmt.Errorf("configuring Pod Security: %w", err)
			}
			return plugin, plugin.ValidateConfiguration()
		},
		evaluator: evaluator,
		checks:    sync.OnceValues(singleChecks),
	}
}

func singleChecks() ([]singleCheck, error) {
	var checks []singleCheck
	for _, c := range policy.DefaultChecks() {
		e, err := policy.NewEvaluator([]policy.Check{c}, nil)
		if err != nil {
			return nil, fmt.Errorf("making the check %s of Pod Security: %w", c.ID, err)
		}
		checks = append(checks, singleCheck{c.ID, e})
	}
	return checks, nil
}

// only is a namespace, and the one that there is.
type only struct{ namespace *corev1.Namespace }

// GetNamespace gives the namespace.
func (o only) GetNamespace(context.Context, string) (*corev1.Namespace, error) {
	return o.namespace, nil
}

// ListPods gives no pods: of what runs, nothing is known.
func (only) ListPods(context.Context, string) ([]*corev1.Pod, error) { return nil, nil }

// unmeasured records nothing.
type unmeasured struct{}

func (unmeasured) RecordEvaluation(metrics.Decision, api.LevelVersion, metrics.Mode, api.Attributes) {
}
func (unmeasured) RecordExemption(api.Attributes)   {}
func (unmeasured) RecordError(bool, api.Attributes) {}

// said is what Pod Security says of a request.
type said struct {
	denied   string // the API server's answer; empty if it admits
	warnings []string
	audited  string
}

// validate asks the plugin.
func (p *podSecurity) validate(ctx context.Context, ns *corev1.Namespace, request *api.AttributesRecord) (said, error) {
	made, _ := p.plugins.LoadOrStore(ns, sync.OnceValues(func() (*admission.Admission, error) { return p.plugin(ns) }))
	plugin, err := made.(func() (*admission.Admission, error))()
	if err != nil {
		return said{}, err
	}
	response := plugin.Validate(ctx, request)
	s := said{warnings: response.Warnings, audited: response.AuditAnnotations[api.AuditViolationsAnnotationKey]}
	if !response.Allowed && response.Result != nil {
		s.denied = response.Result.Message
	}
	return s, nil
}

// failure is one check that fails at a level.
type failure struct {
	check policy.CheckID
	words string
}

// failures are the checks that a pod does not pass at a level, each in the words in which the API
// server lists it.
func (p *podSecurity) failures(
	level api.LevelVersion,
	meta *metav1.ObjectMeta,
	spec *corev1.PodSpec,
) ([]failure, error) {
	all, err := p.evaluator()
	if err != nil {
		return nil, fmt.Errorf("making the checks of Pod Security: %w", err)
	}
	singles, err := p.checks()
	if err != nil {
		return nil, err
	}
	listed := map[string]bool{}
	for _, result := range all.EvaluatePod(level, meta, spec) {
		if !result.Allowed {
			listed[wordsOf(result)] = true
		}
	}
	var failed []failure
	for _, single := range singles {
		for _, result := range single.evaluator.EvaluatePod(level, meta, spec) {
			// A check of baseline may have been taken over by one of restricted, which says it in
			// other words.
			if words := wordsOf(result); !result.Allowed && listed[words] {
				failed = append(failed, failure{single.id, words})
				delete(listed, words)
			}
		}
	}
	return failed, nil
}

func wordsOf(result policy.CheckResult) string {
	if result.ForbiddenDetail == "" {
		return result.ForbiddenReason
	}
	return result.ForbiddenReason + " (" + result.ForbiddenDetail + ")"
}

// levels are those that the labels of a namespace say.
func levels(labels map[string]string) api.Policy {
	privileged := api.LevelVersion{Level: api.LevelPrivileged, Version: api.LatestVersion()}
	levels, _ := api.PolicyToEvaluate(labels, api.Policy{Enforce: privileged, Audit: privileged, Warn: privileged})
	return levels
}

// attributes are a request as the plugin sees it.
func attributes(gvk schema.GroupVersionKind, resource schema.GroupVersionResource, namespace, name, username string,
	object, old kruntime.Object) *api.AttributesRecord {
	record := &api.AttributesRecord{
		Name:      name,
		Namespace: namespace,
		Kind:      gvk,
		Resource:  resource,
		Operation: admissionv1.Create,
		Object:    object,
		Username:  username,
	}
	if old != nil {
		record.Operation, record.OldObject = admissionv1.Update, old
	}
	return record
}
