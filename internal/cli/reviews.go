package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"

	authorizationv1 "k8s.io/api/authorization/v1"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Cluster is what --from-cluster reads, and asks what users may do.
type Cluster interface {
	client.Reader
	Create(context.Context, client.Object, ...client.CreateOption) error
}

// reviews ask a cluster by SubjectAccessReviews what users may do, each question once.
type reviews struct {
	cluster Cluster

	mu    sync.Mutex
	known map[string]reviewed
}

// reviewed is an answer, or why there is none.
type reviewed struct {
	decision authorizer.Decision
	err      error
}

// Authorize asks the cluster.
func (r *reviews) Authorize(ctx context.Context, of authorizer.Attributes) (authorizer.Decision, string, error) {
	spec := reviewOf(of)
	question, err := json.Marshal(spec)
	if err != nil {
		return authorizer.DecisionNoOpinion, "", err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	answer, known := r.known[string(question)]
	if !known {
		answer = r.ask(ctx, spec)
		if r.known == nil {
			r.known = map[string]reviewed{}
		}
		r.known[string(question)] = answer
	}
	return answer.decision, "", answer.err
}

// ask makes a review. The cluster may answer that it could not find out.
func (r *reviews) ask(ctx context.Context, spec authorizationv1.SubjectAccessReviewSpec) reviewed {
	review := &authorizationv1.SubjectAccessReview{Spec: spec}
	err := r.cluster.Create(ctx, review)
	status := &review.Status
	switch {
	case err == nil && status.Allowed:
		return reviewed{decision: authorizer.DecisionAllow}
	case err == nil && status.EvaluationError == "":
		return reviewed{decision: authorizer.DecisionNoOpinion}
	case err == nil:
		err = errors.New(status.EvaluationError)
	}
	return reviewed{err: fmt.Errorf("asking the cluster whether %s: %w", questionOf(&spec), err)}
}

// questionOf is a review in words.
func questionOf(spec *authorizationv1.SubjectAccessReviewSpec) string {
	if path := spec.NonResourceAttributes; path != nil {
		return fmt.Sprintf("%s may %s %s", spec.User, path.Verb, path.Path)
	}
	of := spec.ResourceAttributes
	resource := strings.TrimSuffix(of.Resource+"."+of.Group, ".")
	return strings.TrimSpace(fmt.Sprintf("%s may %s %s %s", spec.User, of.Verb, resource, of.Name))
}

func reviewOf(of authorizer.Attributes) authorizationv1.SubjectAccessReviewSpec {
	who := of.GetUser()
	spec := authorizationv1.SubjectAccessReviewSpec{User: who.GetName(), Groups: who.GetGroups(), UID: who.GetUID()}
	if !of.IsResourceRequest() {
		spec.NonResourceAttributes = &authorizationv1.NonResourceAttributes{Path: of.GetPath(), Verb: of.GetVerb()}
		return spec
	}
	spec.ResourceAttributes = &authorizationv1.ResourceAttributes{
		Namespace:   of.GetNamespace(),
		Verb:        of.GetVerb(),
		Group:       of.GetAPIGroup(),
		Version:     of.GetAPIVersion(),
		Resource:    of.GetResource(),
		Subresource: of.GetSubresource(),
		Name:        of.GetName(),
	}
	return spec
}
