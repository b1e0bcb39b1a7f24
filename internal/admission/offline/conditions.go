package offline

import (
	"context"

	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/admission/plugin/cel"
)

// composited are expressions that share the variables of a policy.
type composited struct {
	cel.ConditionEvaluator
	compiler *cel.CompositedCompiler
}

// ForInput evaluates the expressions, and each variable at most once.
func (c composited) ForInput(
	ctx context.Context,
	attributes *admission.VersionedAttributes,
	request *admissionv1.AdmissionRequest,
	bindings cel.OptionalVariableBindings,
	namespace *corev1.Namespace,
	budget int64,
) ([]cel.EvaluationResult, int64, error) {
	return c.ConditionEvaluator.ForInput(c.compiler.CreateContext(ctx), attributes, request, bindings, namespace, budget)
}

// The API server evaluates validations first and then, whatever came of them, the expressions of
// messages, with all variables anew. Here both are evaluated at once, which comes to the same and
// costs half: a policy's own variables hang on the request alone.

// told carries the messages of one request from judging to telling.
type told struct{ messages []cel.EvaluationResult }

type toldKey struct{}

// judging evaluates validations, and their messages with them.
type judging struct {
	alone cel.ConditionEvaluator
	both  cel.ConditionEvaluator // validations, and then messages
	n     int                    // how many validations there are
}

// ForInput is what validations come to. If there is an error with the messages, validations are
// evaluated alone.
func (j judging) ForInput(
	ctx context.Context,
	attributes *admission.VersionedAttributes,
	request *admissionv1.AdmissionRequest,
	bindings cel.OptionalVariableBindings,
	namespace *corev1.Namespace,
	budget int64,
) ([]cel.EvaluationResult, int64, error) {
	carrier, _ := ctx.Value(toldKey{}).(*told)
	if carrier == nil {
		return j.alone.ForInput(ctx, attributes, request, bindings, namespace, budget)
	}
	results, remaining, err := j.both.ForInput(ctx, attributes, request, bindings, namespace, budget)
	if err != nil {
		return j.alone.ForInput(ctx, attributes, request, bindings, namespace, budget)
	}
	carrier.messages = results[j.n:]
	return results[:j.n], remaining, nil
}

// CompilationErrors are none: compile has said them.
func (judging) CompilationErrors() []error { return nil }

// telling gives the messages that judging has evaluated, or evaluates them.
type telling struct{ alone cel.ConditionEvaluator }

// ForInput is what the messages come to.
func (t telling) ForInput(
	ctx context.Context,
	attributes *admission.VersionedAttributes,
	request *admissionv1.AdmissionRequest,
	bindings cel.OptionalVariableBindings,
	namespace *corev1.Namespace,
	budget int64,
) ([]cel.EvaluationResult, int64, error) {
	if carrier, _ := ctx.Value(toldKey{}).(*told); carrier != nil && carrier.messages != nil {
		return carrier.messages, budget, nil
	}
	return t.alone.ForInput(ctx, attributes, request, bindings, namespace, budget)
}

// CompilationErrors are none: compile has said them.
func (telling) CompilationErrors() []error { return nil }
