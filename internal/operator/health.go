package operator

import (
	"context"
	"errors"
	"net/http"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/manager"
)

func addHealth(mgr manager.Manager, permissions, definitions *selfCheck) error {
	return errors.Join(
		mgr.AddHealthzCheck("ping", func(*http.Request) error { return nil }),
		mgr.AddReadyzCheck("permissions", permissions.ready),
		mgr.AddReadyzCheck("definitions", definitions.ready),
		mgr.AddReadyzCheck("caches", cachesSynced(mgr.GetCache())),
	)
}

// cachesSynced is ready once the caches hold all that there was when they began to watch.
func cachesSynced(caches cache.Cache) func(*http.Request) error {
	return func(request *http.Request) error {
		ctx, cancel := context.WithTimeout(request.Context(), 100*time.Millisecond)
		defer cancel()
		if !caches.WaitForCacheSync(ctx) {
			return errors.New("the caches have not synced yet")
		}
		return nil
	}
}
