package posture

import (
	"cmp"
	"fmt"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/printable"
)

// refusalExample is what the API server refuses in one of the namespaces, as an example of why.
type refusalExample struct {
	namespace, sentence string
}

// maxRefusalRunes bounds what the condition says of it.
const maxRefusalRunes = 512

// addRefusal keeps the refusal that a report tells if no namespace before in the alphabet has one,
// so that it is always the same.
func (t *tally) addRefusal(report *v1alpha1.NamespacePosture) {
	for _, o := range report.Objects {
		if o.State == v1alpha1.ObjectStateFailed {
			t.keepRefusal(report.Namespace, fmt.Sprintf("%s %s: %s", o.Kind, o.Name, o.Message))
			return
		}
	}
}

func (t *tally) keepRefusal(namespace, sentence string) {
	if cmp.Or(t.refusal.namespace, namespace) < namespace || sentence == "" {
		return
	}
	t.refusal = refusalExample{namespace: namespace, sentence: printable.Cut(sentence, maxRefusalRunes)}
}

// example is the refusal in words, or nothing.
func (r *refusalExample) example() string {
	if r.sentence == "" {
		return ""
	}
	return fmt.Sprintf("in namespace %s %s", r.namespace, r.sentence)
}
