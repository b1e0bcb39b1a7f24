package reportmemory

import (
	"context"
	"fmt"

	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
)

// ForgetDeleted makes the memory forget reports that are deleted. A replica that is not the leader
// reconciles nothing, and needs this, too.
func (m *Memory) ForgetDeleted(ctx context.Context, caches cache.Cache) error {
	reports, err := caches.GetInformer(ctx, &v1alpha1.NamespacePosture{}, cache.BlockUntilSynced(false))
	if err == nil {
		_, err = reports.AddEventHandler(toolscache.ResourceEventHandlerFuncs{DeleteFunc: m.forgetDeleted})
	}
	if err != nil {
		return fmt.Errorf("listening to the cache of NamespacePostures: %w", err)
	}
	return nil
}

// forgetDeleted drops what a deleted report said. It keeps what a report said that was created
// again meanwhile, and what one said that this replica keeps.
func (m *Memory) forgetDeleted(o any) {
	if tombstone, ok := o.(toolscache.DeletedFinalStateUnknown); ok {
		o = tombstone.Obj
	}
	report, ok := o.(*v1alpha1.NamespacePosture)
	if !ok || m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if last := m.last[report.Namespace]; last != nil && last.UID == report.UID && !m.kept[report.Namespace] {
		delete(m.last, report.Namespace)
	}
}
