package clusteraccess

import (
	"context"
	"sync"

	"k8s.io/client-go/rest"
)

// warningsKey is the context key of Warnings.
type warningsKey struct{}

// Warnings are the warnings that the API server returned for the requests of one context.
type Warnings struct {
	mu    sync.Mutex
	texts []string
}

// CollectWarnings returns a context whose requests' warnings are collected.
func CollectWarnings(ctx context.Context) (context.Context, *Warnings) {
	collected := &Warnings{}
	return context.WithValue(ctx, warningsKey{}, collected), collected
}

// Texts returns the warnings collected so far.
func (w *Warnings) Texts() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.texts
}

// WarningHandler collects the API server's warnings for contexts that collect them, and leaves all
// others to another handler.
type WarningHandler struct {
	Others rest.WarningHandlerWithContext
}

var _ rest.WarningHandlerWithContext = WarningHandler{}

// HandleWarningHeaderWithContext is called for each warning.
func (h WarningHandler) HandleWarningHeaderWithContext(ctx context.Context, code int, agent, text string) {
	collected, ok := ctx.Value(warningsKey{}).(*Warnings)
	if !ok {
		h.Others.HandleWarningHeaderWithContext(ctx, code, agent, text)
		return
	}
	collected.mu.Lock()
	defer collected.mu.Unlock()
	collected.texts = append(collected.texts, text)
}
