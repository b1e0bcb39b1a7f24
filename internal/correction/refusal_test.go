package correction

import (
	"errors"
	"fmt"
	"net/http"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

func TestIsOvertaken(t *testing.T) {
	resource := schema.GroupResource{Resource: "resourcequotas"}
	deniedBy := func(code int32, reason metav1.StatusReason) error {
		return &apierrors.StatusError{ErrStatus: metav1.Status{
			Status:  metav1.StatusFailure,
			Code:    code,
			Reason:  reason,
			Message: `admission webhook "quotas.example.com" denied the request: too many`,
		}}
	}
	failedTest := apierrors.NewGenericServerResponse(
		http.StatusUnprocessableEntity,
		"",
		schema.GroupResource{},
		"",
		"testing value /metadata/uid failed: test failed",
		0,
		false,
	)
	for sentence, tt := range map[string]struct {
		err  error
		want bool
	}{
		"no error":                                  {},
		"an error of the network":                   {err: errors.New("connection refused")},
		"a precondition that does not hold":         {err: apierrors.NewConflict(resource, "a", errors.New("uid")), want: true},
		"a test of a JSON patch that fails":         {err: failedTest, want: true},
		"one that is wrapped":                       {err: fmt.Errorf("correcting: %w", failedTest), want: true},
		"a field that is invalid":                   {err: apierrors.NewInvalid(corev1.SchemeGroupVersion.WithKind("ResourceQuota").GroupKind(), "a", field.ErrorList{field.Required(field.NewPath("spec"), "")})},
		"a webhook that answers 422":                {err: deniedBy(http.StatusUnprocessableEntity, metav1.StatusReasonInvalid)},
		"a webhook that answers 422 without reason": {err: deniedBy(http.StatusUnprocessableEntity, "")},
		"a webhook that answers 403":                {err: deniedBy(http.StatusForbidden, metav1.StatusReasonForbidden)},
	} {
		t.Run(sentence, func(t *testing.T) {
			if got := IsOvertaken(tt.err); got != tt.want {
				t.Errorf("want %v, got %v", tt.want, got)
			}
		})
	}
}
