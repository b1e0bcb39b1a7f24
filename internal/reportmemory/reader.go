package reportmemory

import (
	"context"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
)

// believingReader reads from the API server, and returns of reports what the cache would contain.
type believingReader struct {
	client.Reader
	memory *Memory
}

// NewReader wraps a reader of the API server so that it returns of reports what the memory
// believes.
func NewReader(live client.Reader, memory *Memory) client.Reader {
	return believingReader{live, memory}
}

// Get reads one object.
func (r believingReader) Get(
	ctx context.Context, key client.ObjectKey, into client.Object, options ...client.GetOption,
) error {
	err := r.Reader.Get(ctx, key, into, options...)
	if report, ok := into.(*v1alpha1.NamespacePosture); ok && err == nil {
		*report = *r.memory.judgeLive(report.DeepCopy())
	}
	return err
}

// List reads a list of objects.
func (r believingReader) List(ctx context.Context, into client.ObjectList, options ...client.ListOption) error {
	err := r.Reader.List(ctx, into, options...)
	if reports, ok := into.(*v1alpha1.NamespacePostureList); ok && err == nil {
		for i := range reports.Items {
			reports.Items[i] = *r.memory.judgeLive(reports.Items[i].DeepCopy())
		}
	}
	return err
}
