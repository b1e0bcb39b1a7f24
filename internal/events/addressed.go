package events

import "k8s.io/apimachinery/pkg/runtime"

// Addressed is a notice that a step returns for one receiver, where its namespace and the profile
// that governs it are not both told.
type Addressed struct {
	Notice
	// Regarding is the namespace or the profile that is told.
	Regarding runtime.Object
	// Namespace is that of the object; its budget is used.
	Namespace string
	// Always is set if the notice is told without a budget (see Teller.TellAlways).
	Always bool
}

// TellEach tells notices in their order.
func (t *Teller) TellEach(notices []Addressed) {
	for i := range notices {
		if n := &notices[i]; n.Always {
			t.TellAlways(n.Regarding, n.Notice)
		} else {
			t.Tell(n.Regarding, n.Namespace, n.Notice)
		}
	}
}
