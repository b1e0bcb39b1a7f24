package controllers

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/events"
	"github.com/bulwark-dev/bulwark/internal/metrics"
	"github.com/bulwark-dev/bulwark/internal/priority"
)

// notes records the notes of events.
type notes []string

func (n *notes) Eventf(_, _ runtime.Object, _, reason, _, _ string, args ...any) {
	*n = append(*n, reason+": "+args[0].(string))
}

func TestAProfileWhoseStatusIsRefusedIsSaidToBeInvalidByAnEvent(t *testing.T) {
	kind := schema.GroupKind{Group: v1alpha1.GroupVersion.Group, Kind: "SecurityProfile"}
	for sentence, tt := range map[string]struct {
		answer error
		told   bool
		wait   time.Duration
		fails  bool
	}{
		"its status says it":                    {},
		"the API server refuses the whole":      {answer: apierrors.NewInvalid(kind, "old", nil), told: true, wait: retellInvalid},
		"somebody else has written the profile": {answer: apierrors.NewConflict(schema.GroupResource{}, "old", nil), fails: true},
	} {
		t.Run(sentence, func(t *testing.T) {
			metrics, err := metrics.New(prometheus.NewRegistry())
			if err != nil {
				t.Fatal(err)
			}
			var told notes
			now := clocktesting.NewFakePassiveClock(noon)
			r := &SecurityProfileReconciler{
				Client: &emptyCluster{answers: []error{tt.answer, tt.answer}}, Metrics: metrics, Clock: now,
				events: events.NewTeller(&told, now), toldInvalid: priority.NewThrottle(retellInvalid),
			}
			profile := &v1alpha1.SecurityProfile{ObjectMeta: metav1.ObjectMeta{Name: "old"}}
			wait, err := r.concludeInvalid(t.Context(), profile, errors.New("spec: digest is a word now"))
			if wait != tt.wait || (err != nil) != tt.fails || (len(told) == 1) != tt.told {
				t.Errorf("waits %s, error %v, told %v; want %+v", wait, err, told, tt)
			}
			const want = "ProfileInvalid: the profile cannot be carried out: spec: digest is a word now"
			if tt.told && !strings.HasPrefix(told[0], want) {
				t.Error(told)
			}
			_, _ = r.concludeInvalid(t.Context(), profile, errors.New("spec: digest is a word now"))
			if (len(told) == 1) != tt.told {
				t.Errorf("another pass tells it again: %v", told)
			}
		})
	}
}
