package controllers

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// answering is a reader that answers in its own way.
type answering struct {
	client.Client
	answer func(context.Context) error
}

func (a answering) Get(ctx context.Context, _ client.ObjectKey, _ client.Object, _ ...client.GetOption) error {
	return a.answer(ctx)
}

func (a answering) List(ctx context.Context, _ client.ObjectList, _ ...client.ListOption) error {
	return a.answer(ctx)
}

// A cache that never hears of a write of ours must not keep a pass from ever being made again.
func TestWhatTheCacheDoesNotHearOfIsReadFromTheAPIServer(t *testing.T) {
	errCache, errLive := errors.New("by the cache"), errors.New("by the API server")
	behind := func(ctx context.Context) error {
		<-ctx.Done()
		return fmt.Errorf("failed waiting to observe resource version 7: %w", ctx.Err())
	}
	stopping, stop := context.WithCancel(t.Context())
	stop()
	for sentence, tt := range map[string]struct {
		ctx    context.Context
		cached func(context.Context) error
		want   error
	}{
		"what the cache holds":             {t.Context(), func(context.Context) error { return nil }, nil},
		"what the cache refuses":           {t.Context(), func(context.Context) error { return errCache }, errCache},
		"what the cache waits for in vain": {t.Context(), behind, errLive},
		"what nobody waits for any more":   {stopping, behind, context.Canceled},
	} {
		t.Run(sentence, func(t *testing.T) {
			c := &catchingUp{
				Client: answering{answer: tt.cached}, live: answering{answer: func(context.Context) error { return errLive }}, timeout: time.Millisecond,
			}
			if err := c.Get(tt.ctx, client.ObjectKey{}, &corev1.Namespace{}); !errors.Is(err, tt.want) {
				t.Errorf("Get: want %v, got %v", tt.want, err)
			}
			if err := c.List(tt.ctx, &corev1.NamespaceList{}); !errors.Is(err, tt.want) {
				t.Errorf("List: want %v, got %v", tt.want, err)
			}
		})
	}
}
