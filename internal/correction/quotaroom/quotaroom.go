// Package quotaroom knows how room is made in the quotas of a baseline for writes of Bulwark's own,
// and how long quotas are waited for that are not counted.
//
// The quotas of a baseline also count what the baseline itself is made of, and a tenant may have
// filled them. Then a quota is opened for the one write that it refuses: what the API server holds
// requests against, which is status.hard and not the spec, is raised by what the write needs and
// set back at once. The declared part is never touched, so that neither drift nor anybody's
// tampering comes of it, and kube-controller-manager need not run.
//
// It may import packages of its own floor and pure ones. It must never open an unmanaged quota, and
// never emit an event: it returns notices.
package quotaroom

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/internal/counting"
	"github.com/bulwark-dev/bulwark/internal/drift"
	"github.com/bulwark-dev/bulwark/internal/events"
)

const (
	// roomTimeout bounds the attempts at a write for which a quota has been opened. The API server
	// hears of an opening within milliseconds, and each attempt that a tenant was faster than opens
	// the quota wider.
	roomTimeout = 4 * time.Second
	// closeTimeout bounds how long it takes to close a quota again, whatever has become of the pass
	// by then.
	closeTimeout = 5 * time.Second
	// firstPause is how long the first attempt waits that is made since the API server may not have
	// heard of an opening yet. Each further one waits longer, and after so many pauses the quota is
	// opened again: somebody may have closed it.
	firstPause, pauses = time.Millisecond, 8
)

// Maker makes room in quotas.
type Maker struct {
	Client client.Client
	// Live reads from the API server, for what the cache does not hold of a quota.
	Live client.Reader
}

// Write makes a write in a namespace that quotas of Bulwark's must not refuse: those that do are
// opened for it. It returns what is to be told of that. Ours tells whether Bulwark made a quota.
func (m Maker) Write(
	ctx context.Context,
	namespace string,
	ours func(baseline.Object) bool,
	object v1alpha1.ObjectReference,
	write func() error,
) ([]events.Notice, error) {
	err := write()
	refusal, refused := refusalIn(err)
	if !refused {
		return nil, err
	}
	o := &openings{m: m, namespace: namespace, isOurs: ours, object: object, quotas: map[string]*opening{}}
	defer o.close(ctx)
	trying, cancel := context.WithTimeout(ctx, roomTimeout)
	defer cancel()
	for refused && trying.Err() == nil {
		opened, failure := o.open(trying, &refusal)
		if failure != nil {
			return o.notices, errors.Join(err, failure)
		}
		if !opened {
			return o.notices, err
		}
		err = write()
		refusal, refused = refusalIn(err)
	}
	return o.notices, err
}

// IsRefusal recognises the refusal of a write by a quota.
func IsRefusal(err error) bool {
	_, refused := refusalIn(err)
	return refused
}

// refusalIn is the refusal of a quota that an error holds.
func refusalIn(err error) (counting.Refusal, bool) {
	var status apierrors.APIStatus
	if !apierrors.IsForbidden(err) || !errors.As(err, &status) {
		return counting.Refusal{}, false
	}
	return counting.RefusalIn(status.Status().Message)
}

// openings are the quotas that are open for one write.
type openings struct {
	m         Maker
	namespace string
	isOurs    func(baseline.Object) bool
	object    v1alpha1.ObjectReference
	quotas    map[string]*opening
	// notices tell which quotas were opened.
	notices []events.Notice
}

// opening is a quota that is open, and what its entries were opened to.
type opening struct {
	quota   *corev1.ResourceQuota
	entries counting.Entries
	room    int64 // for how many others beside the write: for one more each time that somebody else took it
	backoff wait.Backoff
}

// open opens the quota that refuses the write, if it is ours, or waits for the API server to hear
// that it has been opened. It reports whether the write is worth another attempt. An unmanaged
// quota says what it is there to say.
func (o *openings) open(ctx context.Context, refusal *counting.Refusal) (bool, error) {
	opened, again := o.quotas[refusal.Quota]
	switch {
	case !again:
		quota, err := o.ours(ctx, refusal.Quota)
		if err != nil || quota == nil {
			return false, err
		}
		opened = &opening{quota: quota, entries: counting.Entries{}}
		o.quotas[refusal.Quota] = opened
		o.notices = append(o.notices, o.notice(opened, refusal))
	case refusal.Knows(opened.entries):
		opened.room++
	case opened.backoff.Steps > 0:
		select {
		case <-ctx.Done():
			return false, nil
		case <-time.After(opened.backoff.Step()):
			return true, nil
		}
	}
	opened.backoff = wait.Backoff{Duration: firstPause, Factor: 2, Steps: pauses}
	entries := refusal.Opening(opened.room)
	maps.Copy(opened.entries, entries)
	if err := o.m.setHard(ctx, opened.quota, entries); client.IgnoreNotFound(err) != nil {
		return false, fmt.Errorf("opening ResourceQuota %s: %w", refusal.Quota, err)
	}
	return true, nil // One that is gone refuses nothing, as soon as the API server's cache has heard of that.
}

// ours is the quota of that name if it is ours, whoever else may have made one of that name; or
// nil.
func (o *openings) ours(ctx context.Context, name string) (*corev1.ResourceQuota, error) {
	quota := &corev1.ResourceQuota{}
	err := o.m.Live.Get(ctx, client.ObjectKey{Namespace: o.namespace, Name: name}, quota)
	switch {
	case apierrors.IsNotFound(err):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("reading the quota that refuses %s %s: %w", o.object.Kind, o.object.Name, err)
	case !strings.HasPrefix(name, v1alpha1.NamePrefix) || !baseline.IsLabelled(quota) || !o.isOurs(quota):
		return nil, nil
	}
	return quota, nil
}

func (o *openings) notice(opened *opening, refusal *counting.Refusal) events.Notice {
	return events.Notice{
		Object: baseline.Reference(opened.quota), Type: corev1.EventTypeWarning, Reason: v1alpha1.EventOpened, Action: "Open",
		Note: fmt.Sprintf("ResourceQuota %s has no room for %s %s of the baseline, and is opened for this one write: %s",
			opened.quota.Name, o.object.Kind, o.object.Name, entriesOf(refusal.Opening(0))),
	}
}

func entriesOf(hard counting.Entries) string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(hard)) {
		names = append(names, string(name))
	}
	return strings.Join(names, ", ")
}

// close sets what was opened back to what the quotas declare. If it fails, a later pass does it
// (CloseAgain), and kube-controller-manager does when it counts the quota next.
func (o *openings) close(ctx context.Context) {
	if len(o.quotas) == 0 {
		return
	}
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
	defer cancel()
	for _, opened := range o.quotas {
		err := o.m.setHard(closing, opened.quota, opened.entries.Closing(opened.quota))
		if client.IgnoreNotFound(err) != nil && !apierrors.IsConflict(err) { // It may be the very object that was replaced.
			logf.FromContext(ctx).Error(err, "Closing a quota again", "quota", opened.quota.Name)
		}
	}
}

// CloseAgain closes a quota that was opened by an operator that died before it could close it, and
// reports whether there was anything to close: the API server remembers who set an entry last. What
// somebody else raised is kube-controller-manager's to set back.
func (m Maker) CloseAgain(ctx context.Context, namespace, name string) bool {
	quota := &corev1.ResourceQuota{}
	if err := m.Live.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, quota); err != nil {
		return false // It is tried again with the next look.
	}
	opened := counting.Entries{}
	loosened := counting.Of(quota).Loosened
	for _, name := range drift.StatusEntriesOf(quota.GetManagedFields(), "hard") {
		if slices.Contains(loosened, corev1.ResourceName(name)) {
			opened[corev1.ResourceName(name)] = nil
		}
	}
	if len(opened) == 0 {
		return false
	}
	if err := m.setHard(ctx, quota, opened.Closing(quota)); err != nil {
		logf.FromContext(ctx).Error(err, "Closing a quota that was left open", "quota", quota.Name)
		return false
	}
	return true
}

// setHard sets entries of status.hard of exactly this quota; what is nil goes.
func (m Maker) setHard(ctx context.Context, quota *corev1.ResourceQuota, hard counting.Entries) error {
	patch, err := json.Marshal(map[string]any{
		"metadata": map[string]any{"uid": quota.UID},
		"status":   map[string]any{"hard": hard},
	})
	if err != nil {
		return fmt.Errorf("writing a patch: %w", err)
	}
	patched := &corev1.ResourceQuota{}
	patched.SetNamespace(quota.Namespace)
	patched.SetName(quota.Name)
	return m.Client.Status().Patch(ctx, patched, client.RawPatch(types.MergePatchType, patch))
}
