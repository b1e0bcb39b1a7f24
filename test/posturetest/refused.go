package posturetest

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/onsi/gomega/types"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/bulwark-dev/bulwark/internal/refusals"
)

// RefusedBy are the ids of the rules by which the API server refused a request, as
// `kubectl posture check` prints them: admission/workloads/readOnlyRootFilesystem. There are none
// if nothing of a baseline refused it.
func RefusedBy(err error) []string {
	answer, _ := answerIn(err)
	return refusals.By(answer)
}

// answerIn is the answer of the API server that an error is; false if it is none.
func answerIn(err error) (string, bool) {
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		return "", false
	}
	return status.Status().Message, true
}

// BeRefusedBy succeeds if the actual value is the error by which the API server refused a request,
// and the rule is among those that refused it. A rule is called by its id, or by the last part of
// it:
//
//	Expect(k8sClient.Create(ctx, pod)).To(BeRefusedBy("readOnlyRootFilesystem"))
//
// The API server names the first of what refuses: Pod Security goes before a profile's own rules,
// and these before LimitRanges and quotas.
func BeRefusedBy(rule string) types.GomegaMatcher { return &refusedMatcher{rule: rule} }

type refusedMatcher struct{ rule string }

// Match reports whether the rule refused. It is an error if there is no such rule: an expectation
// that a misspelt one did not refuse would always hold.
func (m *refusedMatcher) Match(actual any) (bool, error) {
	if len(refusals.Called(m.rule)) == 0 {
		return false, unknownRule(m.rule)
	}
	if actual == nil {
		return false, nil
	}
	err, isError := actual.(error)
	if !isError {
		return false, fmt.Errorf("BeRefusedBy expects the error of a request, and not a %T", actual)
	}
	return slices.ContainsFunc(RefusedBy(err), m.names), nil
}

func (m *refusedMatcher) names(id string) bool { return refusals.IsCalled(id, m.rule) }

// FailureMessage says what was the answer instead.
func (m *refusedMatcher) FailureMessage(actual any) string {
	expected := fmt.Sprintf("Expected the API server to refuse the request by the rule %s. ", m.rule)
	if actual == nil {
		return expected + "It admitted it.\n" +
			"Is the namespace governed (see Govern), and does the profile declare the rule, with the action Deny and " +
			"not under the enforcement Audit?"
	}
	answer, isAnswer := answerIn(actual.(error))
	by := refusals.By(answer)
	switch {
	case !isAnswer:
		return expected + fmt.Sprintf("The request got no answer:\n  %v", actual)
	case len(by) == 0:
		return expected + "No rule of a baseline refused it, but:\n  " + answer
	}
	return expected + fmt.Sprintf("What refused it was %s:\n  %s", strings.Join(by, ", "), answer)
}

// NegatedFailureMessage holds the answer.
func (m *refusedMatcher) NegatedFailureMessage(actual any) string {
	return fmt.Sprintf("Expected the API server not to refuse the request by the rule %s. It did:\n  %v", m.rule, actual)
}

// unknownRule names the rules that there are, or the one that is meant.
func unknownRule(rule string) error {
	var names []string
	for _, id := range refusals.IDs() {
		if name := id[strings.LastIndexByte(id, '/')+1:]; strings.EqualFold(name, rule) || strings.EqualFold(id, rule) {
			return fmt.Errorf("there is no rule %q: %s is meant", rule, name)
		}
		names = append(names, id)
	}
	return fmt.Errorf("there is no rule %q; there are:\n  %s", rule, strings.Join(names, "\n  "))
}
