package offline

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/admission/plugin/policy/validating"
	"k8s.io/apiserver/pkg/admission/plugin/webhook/predicates/rules"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	bulwark "github.com/bulwark-dev/bulwark/internal/admission"
)

// Request is a request as the API server would be sent it.
type Request struct {
	// Object is the manifest; nil for a deletion.
	Object *unstructured.Unstructured
	// OldObject is what there is of the object; nil for a creation.
	OldObject *unstructured.Unstructured
	// Subresource is the subresource that is written, if any.
	Subresource string
	// Namespace is the namespace of the object, with its labels; of a Namespace none.
	Namespace *corev1.Namespace
	// Posture is the namespace's report, if there is one.
	Posture *v1alpha1.NamespacePosture
	// User is who sends it.
	User user.Info
	// Authorizer says what the user may do; without one, nothing.
	Authorizer authorizer.UnconditionalAuthorizer
}

func (r *Request) authorizer() authorizer.UnconditionalAuthorizer {
	if r.Authorizer == nil {
		return nobody{}
	}
	return r.Authorizer
}

// Violation is what a policy has against a request.
type Violation struct {
	// Policy is the name of the ValidatingAdmissionPolicy.
	Policy string
	// Message is what the API server says.
	Message string
	// Action is what the API server does: Deny, Warn or Audit. A warning may be audited, too.
	Action admissionregistrationv1.ValidationAction
}

// Evaluator holds requests against the policies of one profile.
type Evaluator struct {
	profile  *v1alpha1.SecurityProfile
	policies []*compiled
}

// New makes the evaluator of a profile. It fails if an expression does not compile.
func New(profile *v1alpha1.SecurityProfile, cluster bulwark.Cluster) (*Evaluator, error) {
	return evaluator(profile, bulwark.Render(profile, cluster))
}

// NewLazy makes the evaluator of a profile that compiles a policy when a request is first held
// against it, which fails if an expression does not compile.
func NewLazy(profile *v1alpha1.SecurityProfile, cluster bulwark.Cluster) *Evaluator {
	e := &Evaluator{profile: profile}
	for _, policy := range bulwark.Render(profile, cluster) {
		e.policies = append(e.policies, whenAsked(policy))
	}
	return e
}

func evaluator(profile *v1alpha1.SecurityProfile, policies []bulwark.Policy) (*Evaluator, error) {
	e := &Evaluator{profile: profile}
	for _, policy := range policies {
		c, err := compile(policy)
		if err != nil {
			return nil, err
		}
		e.policies = append(e.policies, c)
	}
	return e, nil
}

// Evaluate lists what the policies have against a request, in their order. The API server passes on
// the first that denies.
func (e *Evaluator) Evaluate(ctx context.Context, request Request) ([]Violation, error) {
	prepared, err := e.Prepare(request)
	if err != nil {
		return nil, err
	}
	return e.EvaluatePrepared(ctx, prepared)
}

// Prepared is a request as admission plugins see it.
type Prepared struct {
	request    Request
	attributes *admission.VersionedAttributes
	// Object is the object as the plugins that judge are shown it; nil for a deletion. It is not to
	// be changed.
	Object *unstructured.Unstructured
}

// Prepare makes a request what plugins are shown, for those who look at it, too.
func (e *Evaluator) Prepare(request Request) (*Prepared, error) {
	object := e.asAdmitted(request)
	attributes, err := attributesOf(request, object)
	return &Prepared{request, attributes, object}, err
}

// EvaluatePrepared is Evaluate for a request that is prepared.
func (e *Evaluator) EvaluatePrepared(ctx context.Context, prepared *Prepared) ([]Violation, error) {
	attributes, request := prepared.attributes, prepared.request
	var matching []*compiled
	for _, c := range e.policies {
		matches, err := c.matches(attributes, request.Namespace)
		if err != nil {
			return nil, err
		}
		if matches {
			matching = append(matching, c)
		}
	}
	makeReady(matching)
	var violations []Violation
	for _, c := range matching {
		if err := c.ready(); err != nil {
			return nil, err
		}
		for _, message := range c.refusals(ctx, attributes, request) {
			violations = append(violations, Violation{
				Policy: c.policy.Name, Message: message, Action: c.policy.Binding.Spec.ValidationActions[0],
			})
		}
	}
	return violations, nil
}

// makeReady compiles policies that are not compiled yet, several at once.
func makeReady(policies []*compiled) {
	var all sync.WaitGroup
	for _, c := range policies {
		if !c.isReady.Load() {
			all.Go(func() {
				_ = c.ready() // What is wrong with it is said when it is evaluated.
				c.isReady.Store(true)
			})
		}
	}
	all.Wait()
}

// refusals are the messages of the validations that fail.
func (c *compiled) refusals(ctx context.Context, attributes *admission.VersionedAttributes, request Request) []string {
	var params runtime.Object
	if c.policy.Spec.ParamKind != nil {
		if request.Posture == nil {
			return []string{
				"failed to configure binding: no params found for policy binding with `Deny` parameterNotFoundAction",
			}
		}
		params = request.Posture
	}
	ctx = context.WithValue(ctx, toldKey{}, &told{})
	result := c.validator.Validate(
		ctx,
		attributes.GetResource(),
		attributes,
		params,
		request.Namespace,
		celconfig.RuntimeCELCostBudget,
		request.authorizer(),
	)
	var messages []string
	for i := range result.Decisions {
		if result.Decisions[i].Action == validating.ActionDeny {
			messages = append(messages, result.Decisions[i].Message)
		}
	}
	return messages
}

// matches reports whether a request is one that the policy and its binding are about.
func (c *compiled) matches(attributes admission.Attributes, namespace *corev1.Namespace) (bool, error) {
	if !c.about(attributes) {
		return false, nil
	}
	selector, err := c.selector()
	if err != nil || selector == nil {
		return err == nil, err
	}
	return namespace != nil && selector.Matches(labels.Set(namespace.Labels)), nil
}

func (c *compiled) readSelector() (labels.Selector, error) {
	bound := c.policy.Binding.Spec.MatchResources
	if bound == nil {
		return nil, nil
	}
	selector, err := metav1.LabelSelectorAsSelector(bound.NamespaceSelector)
	if err != nil {
		return nil, fmt.Errorf(
			"reading the namespaceSelector of ValidatingAdmissionPolicyBinding %s: %w",
			c.policy.Binding.Name,
			err,
		)
	}
	return selector, nil
}

// about reports whether a request is for a resource that the policy is about, wherever that is.
func (c *compiled) about(attributes admission.Attributes) bool {
	return slices.ContainsFunc(
		c.policy.Spec.MatchConstraints.ResourceRules,
		func(r admissionregistrationv1.NamedRuleWithOperations) bool {
			matcher := rules.Matcher{Rule: r.RuleWithOperations, Attr: attributes}
			return matcher.Matches()
		},
	)
}

// attributesOf are those of a request for an object as it is admitted.
func attributesOf(request Request, object *unstructured.Unstructured) (*admission.VersionedAttributes, error) {
	old := updated(request.OldObject)
	known, operation := object, admission.Create
	var options runtime.Object = &metav1.CreateOptions{}
	switch {
	case request.Object == nil && request.OldObject == nil:
		return nil, errors.New("the request has no object")
	case request.Object == nil:
		known, operation, options = old, admission.Delete, &metav1.DeleteOptions{}
	case request.OldObject != nil:
		operation, options = admission.Update, &metav1.UpdateOptions{}
	}
	kind := known.GroupVersionKind()
	resource, _ := meta.UnsafeGuessKindToResource(kind)
	namespace := known.GetNamespace()
	if request.Namespace != nil {
		namespace = request.Namespace.Name
	}
	record := admission.NewAttributesRecord(orNil(object), orNil(old), kind, namespace, known.GetName(), resource,
		request.Subresource, operation, options, false, request.User)
	versioned := &admission.VersionedAttributes{Attributes: record, VersionedKind: kind}
	versioned.VersionedObject, versioned.VersionedOldObject = admission.NewLazyObject(
		record.GetObject(),
	), admission.NewLazyObject(
		record.GetOldObject(),
	)
	return versioned, nil
}

// orNil is an object as an interface that is nil if the object is.
func orNil(object *unstructured.Unstructured) runtime.Object {
	if object == nil {
		return nil
	}
	return object
}
