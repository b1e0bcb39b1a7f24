// Package offline holds manifests against the policies of package admission without a cluster, with
// the API server's own evaluator: the same expressions, the same verdicts and the same words.
//
// It may import internal/admission, and the API server's packages that evaluate. It must never know
// a rule of its own: what it cannot evaluate is an error.
package offline

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/admission/plugin/cel"
	"k8s.io/apiserver/pkg/admission/plugin/policy/validating"
	"k8s.io/apiserver/pkg/admission/plugin/webhook/matchconditions"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/apiserver/pkg/cel/environment"

	bulwark "github.com/bulwark-dev/bulwark/internal/admission"
)

// compiled is a policy whose expressions are programs, once it is ready.
type compiled struct {
	policy      bulwark.Policy
	validator   validating.Validator
	validations cel.ConditionEvaluator
	messages    cel.ConditionEvaluator
	// ready compiles, the first time that it is called.
	ready   func() error
	isReady atomic.Bool
	// selector is the binding's namespaceSelector, nil if it has none.
	selector func() (labels.Selector, error)
}

// compile does what the API server does with a policy that it has read.
func compile(p bulwark.Policy) (*compiled, error) {
	c := whenAsked(p)
	if err := c.ready(); err != nil {
		return nil, err
	}
	return c, nil
}

// whenAsked is a policy that is compiled when a request is first held against it.
func whenAsked(p bulwark.Policy) *compiled {
	c := &compiled{policy: p}
	c.ready = sync.OnceValue(c.compile)
	c.selector = sync.OnceValues(c.readSelector)
	return c
}

func (c *compiled) compile() error {
	p, spec := c.policy, &c.policy.Spec
	declared := cel.OptionalVariableDeclarations{HasParams: spec.ParamKind != nil, HasAuthorizer: true}
	unauthorized := cel.OptionalVariableDeclarations{HasParams: spec.ParamKind != nil}
	compiler, err := cel.NewCompositedCompiler(environment.MustBaseEnvSet(environment.DefaultCompatibilityVersion()))
	if err != nil {
		return fmt.Errorf("making a CEL environment: %w", err)
	}
	var problems []error
	for _, v := range spec.Variables {
		result := compiler.CompileAndStoreVariable(
			&validating.Variable{Name: v.Name, Expression: v.Expression},
			declared,
			environment.StoredExpressions,
		)
		if result.Error != nil {
			problems = append(problems, fmt.Errorf("variable %s: %w", v.Name, result.Error))
		}
	}
	condition := func(
		expressions []cel.ExpressionAccessor, declared cel.OptionalVariableDeclarations,
	) []cel.CompilationResult {
		results := make([]cel.CompilationResult, len(expressions))
		for i, expression := range expressions {
			if expression == nil {
				continue
			}
			results[i] = compiler.CompileCELExpression(expression, declared, environment.StoredExpressions)
			if results[i].Error != nil {
				problems = append(problems, results[i].Error)
			}
		}
		return results
	}
	validations := condition(accessors(spec.Validations, validation), declared)
	messages := condition(accessors(spec.Validations, message), unauthorized)
	annotations := condition(accessors(spec.AuditAnnotations, annotation), declared)
	matches := condition(accessors(spec.MatchConditions, matchCondition), declared)
	if err := errors.Join(problems...); err != nil {
		return fmt.Errorf("compiling ValidatingAdmissionPolicy %s: %w", p.Name, err)
	}
	evaluator := func(results []cel.CompilationResult) cel.ConditionEvaluator {
		return composited{cel.NewCondition(results), compiler}
	}
	c.validations, c.messages = evaluator(validations), evaluator(messages)
	judging := judging{c.validations, evaluator(slices.Concat(validations, messages)), len(validations)}
	matcher := matchconditions.NewMatcher(evaluator(matches), spec.FailurePolicy, "policy", "validate", p.Name)
	c.validator = validating.NewValidator(
		judging, matcher, evaluator(annotations), telling{c.messages}, spec.FailurePolicy, nil,
	)
	return nil
}

func accessors[T any](expressions []T, accessor func(*T) cel.ExpressionAccessor) []cel.ExpressionAccessor {
	all := make([]cel.ExpressionAccessor, len(expressions))
	for i := range expressions {
		all[i] = accessor(&expressions[i])
	}
	return all
}

func validation(v *admissionregistrationv1.Validation) cel.ExpressionAccessor {
	return &validating.ValidationCondition{Expression: v.Expression, Message: v.Message, Reason: v.Reason}
}

// message is nil where a validation has no messageExpression, which stands for none at its place.
func message(v *admissionregistrationv1.Validation) cel.ExpressionAccessor {
	if v.MessageExpression == "" {
		return nil
	}
	return &validating.MessageExpressionCondition{MessageExpression: v.MessageExpression}
}

func annotation(a *admissionregistrationv1.AuditAnnotation) cel.ExpressionAccessor {
	return &validating.AuditAnnotationCondition{Key: a.Key, ValueExpression: a.ValueExpression}
}

func matchCondition(c *admissionregistrationv1.MatchCondition) cel.ExpressionAccessor {
	return (*matchconditions.MatchCondition)(c)
}

// cost is what the expressions of a request that the policy matches cost, in CEL's cost units. It
// is an error if that is more than the API server spends on one policy.
func (c *compiled) cost(
	ctx context.Context, attributes *admission.VersionedAttributes, params runtime.Object, namespace *corev1.Namespace,
) (int64, error) {
	request := cel.CreateAdmissionRequest(attributes.Attributes,
		metav1.GroupVersionResource(attributes.GetResource()), metav1.GroupVersionKind(attributes.VersionedKind))
	namespace = cel.CreateNamespaceObject(namespace)
	var budget int64 = celconfig.RuntimeCELCostBudget
	for _, step := range []struct {
		expressions cel.ConditionEvaluator
		bindings    cel.OptionalVariableBindings
	}{
		{c.validations, cel.OptionalVariableBindings{VersionedParams: params, Authorizer: nobody{}}},
		{c.messages, cel.OptionalVariableBindings{VersionedParams: params}},
	} {
		results, remaining, err := step.expressions.ForInput(ctx, attributes, request, step.bindings, namespace, budget)
		if err != nil {
			return 0, fmt.Errorf("evaluating ValidatingAdmissionPolicy %s: %w", c.policy.Name, err)
		}
		for i := range results {
			if results[i].Error != nil {
				return 0, fmt.Errorf("evaluating ValidatingAdmissionPolicy %s: %w", c.policy.Name, results[i].Error)
			}
		}
		budget = remaining
	}
	return celconfig.RuntimeCELCostBudget - budget, nil
}

// nobody may do nothing: whoever a manifest is from, it is not known here what they may do.
type nobody struct{}

// Authorize has no opinion.
func (nobody) Authorize(context.Context, authorizer.Attributes) (authorizer.Decision, string, error) {
	return authorizer.DecisionNoOpinion, "", nil
}
