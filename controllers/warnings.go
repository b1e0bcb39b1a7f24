package controllers

import (
	"context"
	"sync"

	"k8s.io/client-go/rest"
)

type warningsKey struct{}

// collectedWarnings are what the API server warned of in the calls of one context.
type collectedWarnings struct {
	mu    sync.Mutex
	texts []string
}

// collectWarnings makes a context whose calls' warnings are collected.
func collectWarnings(ctx context.Context) (context.Context, *collectedWarnings) {
	collected := &collectedWarnings{}
	return context.WithValue(ctx, warningsKey{}, collected), collected
}

// WarningHandler collects the API server's warnings for calls that want them, and leaves all others to another handler.
type WarningHandler struct {
	Others rest.WarningHandlerWithContext
}

var _ rest.WarningHandlerWithContext = WarningHandler{}

// HandleWarningHeaderWithContext is called for each warning.
func (h WarningHandler) HandleWarningHeaderWithContext(ctx context.Context, code int, agent, text string) {
	collected, ok := ctx.Value(warningsKey{}).(*collectedWarnings)
	if !ok {
		h.Others.HandleWarningHeaderWithContext(ctx, code, agent, text)
		return
	}
	collected.mu.Lock()
	defer collected.mu.Unlock()
	collected.texts = append(collected.texts, text)
}
