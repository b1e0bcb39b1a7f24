// Package metrics knows the operator's own metrics, and what each counts. It imports no client, and
// must never decide what is counted: whoever does something says so here.
package metrics

import (
	"fmt"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
)

// Metrics are the operator's own, beside those of controller-runtime.
type Metrics struct {
	namespaces     *prometheus.GaugeVec
	drift          *prometheus.CounterVec
	corrections    *prometheus.CounterVec
	correctionTime prometheus.Histogram
	renderErrors   *prometheus.CounterVec
	applyErrors    *prometheus.CounterVec
	contests       *prometheus.CounterVec
	findings       *prometheus.GaugeVec
	breakGlass     *prometheus.CounterVec
	guarded        *prometheus.CounterVec
	admission      *prometheus.GaugeVec
	stalled        *prometheus.GaugeVec
}

// New makes the metrics and registers them.
func New(registry prometheus.Registerer) (*Metrics, error) {
	m := &Metrics{
		namespaces: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "bulwark_namespaces",
			Help: "Namespaces by SecurityProfile and state: selected, pending, compliant, weakened, blocked, " +
				"uncounted, drifted, contested (of the drifted), conflicted, failed, overridden.",
		}, []string{"profile", "state"}),
		drift: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "bulwark_drift_total",
			Help: "Drifts found, by SecurityProfile, kind of object and change: Missing, Modified, Unexpected.",
		}, []string{"profile", "kind", "change"}),
		corrections: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "bulwark_corrections_total",
			Help: "Drifts corrected, by SecurityProfile and kind of object.",
		}, []string{"profile", "kind"}),
		correctionTime: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "bulwark_correction_duration_seconds",
			Help:    "Time from hearing of a change to having corrected it.",
			Buckets: prometheus.ExponentialBuckets(0.005, 2, 14),
		}),
		renderErrors: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "bulwark_render_errors_total",
			Help: "Times that a SecurityProfile could not be carried out at all, because its spec is invalid.",
		}, []string{"profile"}),
		applyErrors: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "bulwark_apply_errors_total",
			Help: "Writes of baseline objects that the API server refused, " +
				"by SecurityProfile, kind of object and reason.",
		}, []string{"profile", "kind", "reason"}),
		contests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "bulwark_contests_total",
			Help: "Times that an object became contested because another manager keeps changing the same field back " +
				"or making what was removed, and removals of contested copies where no profile governs, " +
				"by SecurityProfile and kind of object.",
		}, []string{"profile", "kind"}),
		findings: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "bulwark_findings",
			Help: "What weakens the baseline though Bulwark does not own it, by SecurityProfile, id and severity.",
		}, []string{"profile", "id", "severity"}),
		breakGlass: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "bulwark_break_glass_total",
			Help: "Changes of what tamper protection guards by somebody whom it does not hold, " +
				"by SecurityProfile and kind of object.",
		}, []string{"profile", "kind"}),
		guarded: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "bulwark_guarded_changes_total",
			Help: "Changes of what tamper protection guards of which it is not known who made them, " +
				"by SecurityProfile and kind of object.",
		}, []string{"profile", "kind"}),
		admission: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "bulwark_admission_ready",
			Help: "Whether the admission policies of a SecurityProfile are in force and sound: 1 or 0. " +
				"Without policies there is no series.",
		}, []string{"profile"}),
		stalled: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "bulwark_deletion_stalled",
			Help: "1 while a SecurityProfile is being deleted and the operator has lost the permissions to end that. " +
				"Otherwise there is no series.",
		}, []string{"profile"}),
	}
	for _, c := range []prometheus.Collector{
		m.namespaces, m.drift, m.corrections, m.correctionTime, m.renderErrors, m.applyErrors, m.contests,
		m.findings, m.breakGlass, m.guarded, m.admission, m.stalled,
	} {
		if err := registry.Register(c); err != nil {
			return nil, fmt.Errorf("registering metrics: %w", err)
		}
	}
	return m, nil
}

// DriftDetected counts a drift that was found.
func (m *Metrics) DriftDetected(profile, kind string, change v1alpha1.DriftChange) {
	m.drift.WithLabelValues(profile, kind, string(change)).Inc()
}

// Corrected counts a correction, and how long it took since the change was heard of.
func (m *Metrics) Corrected(profile, kind string, took time.Duration) {
	m.CountCorrection(profile, kind)
	m.correctionTime.Observe(max(0, took).Seconds()) // The clock may have been set back.
}

// CountCorrection counts a correction whose change was heard of at a time that is not known.
func (m *Metrics) CountCorrection(profile, kind string) {
	m.corrections.WithLabelValues(profile, kind).Inc()
}

// BrokeGlass counts a change of guarded objects by somebody whom tamper protection does not bind.
func (m *Metrics) BrokeGlass(profile, kind string) {
	m.breakGlass.WithLabelValues(profile, kind).Inc()
}

// GuardedChanged counts a change of guarded objects of which nobody knows the author.
func (m *Metrics) GuardedChanged(profile, kind string) {
	m.guarded.WithLabelValues(profile, kind).Inc()
}

// RenderFailed counts a profile whose spec cannot be carried out at all.
func (m *Metrics) RenderFailed(profile string) {
	m.renderErrors.WithLabelValues(profile).Inc()
}

// ApplyFailed counts a write that the API server refused.
func (m *Metrics) ApplyFailed(profile, kind string, err error) {
	m.applyErrors.WithLabelValues(profile, kind, reasonOf(err)).Inc()
}

// reasonOf is the API server's reason for an error, if it is one of Kubernetes' own. An admission
// webhook answers with any that it likes, and a label of a metric must have few values.
func reasonOf(err error) string {
	switch reason := apierrors.ReasonForError(err); {
	case reason == "":
		return "Unreachable"
	case slices.Contains(knownReasons, reason):
		return string(reason)
	}
	return "Other"
}

var knownReasons = []metav1.StatusReason{
	metav1.StatusReasonUnauthorized, metav1.StatusReasonForbidden, metav1.StatusReasonNotFound,
	metav1.StatusReasonAlreadyExists, metav1.StatusReasonConflict, metav1.StatusReasonGone, metav1.StatusReasonInvalid,
	metav1.StatusReasonServerTimeout, metav1.StatusReasonStoreReadError, metav1.StatusReasonTimeout,
	metav1.StatusReasonTooManyRequests, metav1.StatusReasonBadRequest, metav1.StatusReasonMethodNotAllowed,
	metav1.StatusReasonNotAcceptable, metav1.StatusReasonRequestEntityTooLarge,
	metav1.StatusReasonUnsupportedMediaType, metav1.StatusReasonInternalError, metav1.StatusReasonExpired,
	metav1.StatusReasonServiceUnavailable,
}

// Contested counts an object that became contested.
func (m *Metrics) Contested(profile, kind string) {
	m.contests.WithLabelValues(profile, kind).Inc()
}

// Summed sets what the status of a profile says.
func (m *Metrics) Summed(profile string, status *v1alpha1.SecurityProfileStatus) {
	counts := status.Namespaces
	for state, n := range map[string]int32{
		"selected": counts.Selected, "pending": counts.Pending, "compliant": counts.Compliant,
		"weakened": counts.Weakened, "blocked": counts.Blocked, "uncounted": counts.Uncounted,
		"drifted": counts.Drifted, "contested": counts.Contested, "conflicted": counts.Conflicted,
		"failed": counts.Failed, "overridden": counts.Overridden,
	} {
		m.namespaces.WithLabelValues(profile, state).Set(float64(n))
	}
	m.admission.DeleteLabelValues(profile)
	if ready := meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionAdmission); ready != nil {
		m.admission.WithLabelValues(profile).Set(map[bool]float64{true: 1}[ready.Status == metav1.ConditionTrue])
	}
	m.findings.DeletePartialMatch(prometheus.Labels{"profile": profile})
	for _, f := range status.FindingTotals {
		m.findings.WithLabelValues(profile, string(f.ID), string(f.Severity)).Set(float64(f.Count))
	}
}

// DeletionStalled says whether the deletion of a profile is stalled.
func (m *Metrics) DeletionStalled(profile string, stalled bool) {
	if !stalled {
		m.stalled.DeleteLabelValues(profile)
		return
	}
	m.stalled.WithLabelValues(profile).Set(1)
}

// Forget drops all series of a profile that is gone.
func (m *Metrics) Forget(profile string) {
	for _, vec := range []interface {
		DeletePartialMatch(prometheus.Labels) int
	}{
		m.namespaces, m.drift, m.corrections, m.renderErrors, m.applyErrors, m.contests,
		m.findings, m.breakGlass, m.guarded, m.admission, m.stalled,
	} {
		vec.DeletePartialMatch(prometheus.Labels{"profile": profile})
	}
}
