package correction

import (
	"errors"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// patchFails is what the API server says of a JSON patch that cannot be applied, and of nothing
// else without a cause. A refusal by admission says so.
const patchFails = "the server rejected our request due to an error in our request"

// IsOvertaken recognises the API server's refusal to write to an object that is not the one that
// was read: by a precondition, or by a test of a JSON patch, of which it names no field.
func IsOvertaken(err error) bool {
	if apierrors.IsConflict(err) {
		return true
	}
	var status apierrors.APIStatus
	if !apierrors.IsInvalid(err) || !errors.As(err, &status) {
		return false
	}
	details := status.Status().Details
	return (details == nil || len(details.Causes) == 0) && strings.HasPrefix(status.Status().Message, patchFails)
}

// IsInterrupted recognises errors of a write that say nothing of what is written: somebody was
// faster, or the API server is busy or away.
func IsInterrupted(err error) bool {
	var status apierrors.APIStatus
	return err != nil && (!errors.As(err, &status) || apierrors.IsConflict(err) || apierrors.IsTooManyRequests(err) ||
		apierrors.IsServerTimeout(err) || apierrors.IsTimeout(err) || apierrors.IsServiceUnavailable(err) ||
		apierrors.IsInternalError(err))
}
