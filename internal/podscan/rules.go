package podscan

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"sync"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/admission/offline"
)

// maxRules bounds the rules that are kept compiled: those of as many profiles, or of what was in
// force before.
const maxRules = 64

// Rules are the rules for pods of profiles, compiled. Workers share them.
type Rules struct {
	mu    sync.Mutex
	rules map[[sha256.Size]byte]*offline.Rules
}

// NewRules returns Rules that have compiled none.
func NewRules() *Rules {
	return &Rules{rules: map[[sha256.Size]byte]*offline.Rules{}}
}

// Of returns the rules of a profile. They are compiled once for each profile that differs in what
// they hang on.
func (c *Rules) Of(profile *v1alpha1.SecurityProfile) (*offline.Rules, error) {
	spec := &profile.Spec
	text, err := json.Marshal([]any{profile.Name, spec.Workloads, spec.Images, spec.Limits, spec.RBAC})
	if err != nil {
		return nil, fmt.Errorf("reading the rules of SecurityProfile %s: %w", profile.Name, err)
	}
	key := sha256.Sum256(text)
	c.mu.Lock()
	defer c.mu.Unlock()
	if rules, compiled := c.rules[key]; compiled {
		return rules, nil
	}
	rules, err := offline.NewRules(profile.DeepCopy())
	if err != nil {
		return nil, fmt.Errorf("compiling the rules of SecurityProfile %s: %w", profile.Name, err)
	}
	if len(c.rules) >= maxRules {
		clear(c.rules)
	}
	c.rules[key] = rules
	return rules, nil
}
