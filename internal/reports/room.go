package reports

import (
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/correction/quotaroom"
	"github.com/bulwark-dev/bulwark/internal/events"
	"github.com/bulwark-dev/bulwark/internal/posture"
)

// WriteInRoom writes the report of a pass if it says anything new, and makes room for it in the
// baseline's own quotas. It returns what is to be told of that.
func (w *Writer) WriteInRoom(
	ctx context.Context, p *posture.Pass, report *v1alpha1.NamespacePosture,
) ([]events.Notice, error) {
	return w.Room.Write(ctx, p.Namespace.Name, p.Ours, posture.Reference, func() error {
		return w.Write(ctx, p.Report(), report)
	})
}

// WriteBeside makes the write of an object that goes with a report, which the baseline's own quotas
// keep out as little as the report. It returns what is to be told of that, and to whom: the
// namespace and the profile of a pass.
func (w *Writer) WriteBeside(
	ctx context.Context, report *v1alpha1.NamespacePosture, object v1alpha1.ObjectReference, write func() error,
) (*posture.Pass, []events.Notice, error) {
	err := write()
	if !quotaroom.IsRefusal(err) {
		return nil, nil, err
	}
	p := &posture.Pass{
		Profile: &v1alpha1.SecurityProfile{}, Namespace: &corev1.Namespace{}, Memory: posture.MemoryOf(report),
	}
	unread := errors.Join(
		w.Client.Get(ctx, client.ObjectKey{Name: report.Profile}, p.Profile),
		w.Client.Get(ctx, client.ObjectKey{Name: report.Namespace}, p.Namespace))
	if unread != nil {
		return nil, nil, errors.Join(err, fmt.Errorf("reading whose quotas these are: %w", unread))
	}
	notices, err := w.Room.Write(ctx, p.Namespace.Name, p.Ours, object, write)
	return p, notices, err
}
