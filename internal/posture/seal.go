package posture

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"

	"k8s.io/apimachinery/pkg/types"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
)

// KeyLength is how many bytes a Key has at least.
const KeyLength = 32

// Key is what the operator alone knows, and seals its reports with. An empty one seals nothing.
type Key []byte

// Usable reports whether the key can seal.
func (k Key) Usable() bool { return len(k) >= KeyLength }

// Seal is the seal of all that a report says. Its labels and annotations are others', too, and not
// covered.
func (k Key) Seal(report *v1alpha1.NamespacePosture) string {
	if !k.Usable() {
		return ""
	}
	text, err := json.Marshal(statementOf(report))
	if err != nil { // None of these types fails to marshal.
		return ""
	}
	// A text that is no UTF-8 reads back as one that is, and both must have the same seal.
	text = bytes.ReplaceAll(text, []byte(`\ufffd`), []byte("\ufffd"))
	mac := hmac.New(sha256.New, k)
	_, _ = mac.Write(text) // It never fails.
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// Sealed reports whether a report says what it said when it was sealed with the key.
func (k Key) Sealed(report *v1alpha1.NamespacePosture) bool {
	seal := report.OperatorState.Seal
	return seal != "" && k.Usable() && hmac.Equal([]byte(seal), []byte(k.Seal(report)))
}

// statement is what a seal covers, in an order of its own: reports that an earlier version sealed
// must stay sealed, so that what is added here, and to the types of the fields, is left out where
// it is empty.
type statement struct {
	Namespace         string                          `json:"namespace"`
	NamespaceUID      types.UID                       `json:"namespaceUID"`
	Profile           string                          `json:"profile"`
	ProfileGeneration int64                           `json:"profileGeneration"`
	Enforcement       v1alpha1.Enforcement            `json:"enforcement"`
	Status            v1alpha1.NamespacePostureStatus `json:"status,omitzero"`
	Summary           v1alpha1.PostureSummary         `json:"summary"`
	Objects           []v1alpha1.ManagedObject        `json:"objects,omitempty"`
	Blocked           []v1alpha1.BlockedObject        `json:"blocked,omitempty"`
	Findings          []v1alpha1.Finding              `json:"findings,omitempty"`
	FindingTotals     []v1alpha1.FindingTotal         `json:"findingTotals,omitempty"`
	PodsUnseen        bool                            `json:"podsUnseen,omitempty"`
	Truncated         int64                           `json:"truncated,omitempty"`
	DriftTotal        int64                           `json:"driftTotal,omitempty"`
	Drift             []v1alpha1.DriftEntry           `json:"drift,omitempty"`
	OperatorState     v1alpha1.OperatorState          `json:"operatorState,omitzero"` // without its seal
}

func statementOf(r *v1alpha1.NamespacePosture) *statement {
	remembered := r.OperatorState
	remembered.Seal = ""
	return &statement{
		Namespace: r.Namespace, NamespaceUID: r.NamespaceUID, Profile: r.Profile, ProfileGeneration: r.ProfileGeneration,
		Enforcement: r.Enforcement, Status: r.Status, Summary: r.Summary, Objects: r.Objects,
		Blocked: r.Blocked, Findings: r.Findings, FindingTotals: r.FindingTotals, PodsUnseen: r.PodsUnseen,
		Truncated: r.Truncated, DriftTotal: r.DriftTotal, Drift: r.Drift, OperatorState: remembered,
	}
}
