package check

import (
	"context"
	"fmt"
	"slices"

	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"

	"github.com/bulwark-dev/bulwark/internal/admission/offline"
)

// rights are what policies ask by `authorizer`: what the user of a request may do. They are of one
// object.
type rights struct {
	// cluster knows it; nil without a cluster: then one of system:masters may do everything, and
	// nobody else anything.
	cluster authorizer.UnconditionalAuthorizer
	// assumed has what is not known be allowed.
	assumed bool
	// unknown is why something is not known; nil if all that was asked is.
	unknown error
}

// Authorize asks the cluster.
func (r *rights) Authorize(ctx context.Context, of authorizer.Attributes) (authorizer.Decision, string, error) {
	if r.cluster == nil {
		if slices.Contains(of.GetUser().GetGroups(), user.SystemPrivilegedGroup) {
			return authorizer.DecisionAllow, "", nil
		}
		return authorizer.DecisionNoOpinion, "", nil
	}
	decision, reason, err := r.cluster.Authorize(ctx, of)
	if err == nil {
		return decision, reason, nil
	}
	r.unknown = err
	if r.assumed {
		return authorizer.DecisionAllow, "", nil
	}
	return authorizer.DecisionNoOpinion, "", nil
}

// violations are what the policies have against a request. A violation that hangs on a right that
// is not known is left out, and is an error: it is neither a refusal nor a pass.
func (j judgement) violations(
	ctx context.Context,
	request *offline.Prepared,
	found *collected,
) ([]offline.Violation, error) {
	j.rights.unknown, j.rights.assumed = nil, false
	denied, err := j.evaluator.EvaluatePrepared(ctx, request)
	unknown := j.rights.unknown
	if err != nil || unknown == nil {
		return denied, err
	}
	j.rights.assumed = true
	allowed, err := j.evaluator.EvaluatePrepared(ctx, request)
	if err != nil {
		return nil, err
	}
	var certain []offline.Violation
	for _, one := range slices.Concat(denied, allowed) {
		switch inBoth := slices.Contains(denied, one) && slices.Contains(allowed, one); {
		case !inBoth:
			found.unjudged = append(found.unjudged,
				fmt.Errorf("it is not known whether ValidatingAdmissionPolicy %s refuses it: %w", one.Policy, unknown))
		case !slices.Contains(certain, one):
			certain = append(certain, one)
		}
	}
	return certain, nil
}
