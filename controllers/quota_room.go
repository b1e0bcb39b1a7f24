package controllers

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
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/internal/counting"
	"github.com/bulwark-dev/bulwark/internal/drift"
)

// The quotas of a baseline also count what the baseline itself is made of, and a tenant may have filled them. Then a quota is opened for
// the one write that it refuses: what the API server holds requests against, which is status.hard and not the spec, is raised by what the
// write needs and set back at once. What the profile declares is never touched, so that neither drift nor anybody's tampering comes of it,
// and kube-controller-manager need not run.

// The turns in which drifts are corrected: quotas are made when all is there that they may count, and nothing is taken away before.
const (
	firstTurn = iota
	quotasTurn
	lastTurn
)

func turnOf(d drift.Drift) int {
	switch {
	case d.Change == v1alpha1.Unexpected:
		return lastTurn
	case d.Change == v1alpha1.Missing && d.Object.Kind == "ResourceQuota":
		return quotasTurn
	}
	return firstTurn
}

// postureReference names the report of a namespace.
var postureReference = v1alpha1.ObjectReference{
	APIVersion: v1alpha1.GroupVersion.String(), Kind: "NamespacePosture", Name: v1alpha1.PostureName,
}

// roomBackoff spaces the attempts at a write for which a quota has been opened. The API server's cache hears of it within milliseconds; a
// tenant who keeps filling the room is outbid well before the last attempt, some four seconds after the first.
var roomBackoff = wait.Backoff{Duration: 5 * time.Millisecond, Factor: 1.6, Steps: 14, Cap: time.Second}

// closeTimeout bounds how long it takes to close a quota again, whatever has become of the pass by then.
const closeTimeout = 5 * time.Second

// withRoom makes a write that our own quotas must not keep out: those that refuse it are opened for it.
func (r *NamespaceReconciler) withRoom(ctx context.Context, p *pass, object v1alpha1.ObjectReference, write func() error) error {
	err := write()
	if !apierrors.IsForbidden(err) {
		return err
	}
	o := openings{r: r, p: p, quotas: map[string]*opening{}}
	defer o.close(ctx)
	backoff := roomBackoff
	for backoff.Steps > 0 {
		refusal, refused := refusalIn(err)
		if !refused {
			return err
		}
		switch opened, failure := o.open(ctx, object, refusal); {
		case failure != nil:
			return errors.Join(err, failure)
		case !opened:
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(backoff.Step()):
		}
		if err = write(); err == nil {
			return nil
		}
	}
	return err
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
	r      *NamespaceReconciler
	p      *pass
	quotas map[string]*opening
}

// opening is a quota that is open, and which of its entries are.
type opening struct {
	quota   *corev1.ResourceQuota
	entries map[corev1.ResourceName]*resource.Quantity
	room    int64 // for how many others beside the write; it doubles, so that whoever takes it is outbid
}

// open opens a quota that refuses the write, if it is ours: the one of another maker says what it is there to say. It reports whether the
// write is worth another attempt.
func (o *openings) open(ctx context.Context, object v1alpha1.ObjectReference, refusal counting.Refusal) (bool, error) {
	quota := &corev1.ResourceQuota{}
	key := client.ObjectKey{Namespace: o.p.namespace.Name, Name: refusal.Quota}
	switch err := o.r.Live.Get(ctx, key, quota); {
	case apierrors.IsNotFound(err):
		return true, nil // It is gone, and only the API server's cache has not heard of it.
	case err != nil:
		return false, fmt.Errorf("reading the quota that refuses %s %s: %w", object.Kind, object.Name, err)
	case !strings.HasPrefix(quota.Name, v1alpha1.NamePrefix) || !isLabelled(quota) || !o.p.ours(quota):
		return false, nil
	}
	known, again := o.quotas[quota.Name]
	if !again || known.quota.UID != quota.UID {
		known = &opening{quota: quota, entries: map[corev1.ResourceName]*resource.Quantity{}}
	}
	hard := refusal.Opening(quota, known.room)
	if len(hard) == 0 {
		return true, nil
	}
	if err := o.r.setHard(ctx, quota, hard); err != nil {
		return false, fmt.Errorf("opening the quota that refuses %s %s: %w", object.Kind, object.Name, err)
	}
	maps.Copy(known.entries, hard)
	known.room = max(1, 2*known.room)
	o.quotas[quota.Name] = known
	if !again {
		o.r.event(o.p, baseline.Reference(quota), corev1.EventTypeWarning, v1alpha1.EventOpened, "Open", fmt.Sprintf(
			"ResourceQuota %s has no room for %s %s of the baseline, and is opened for this one write: %s", quota.Name, object.Kind, object.Name,
			entriesOf(hard)))
	}
	return true, nil
}

func entriesOf(hard map[corev1.ResourceName]*resource.Quantity) string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(hard)) {
		names = append(names, string(name))
	}
	return strings.Join(names, ", ")
}

// close sets what was opened back to what the quotas declare. If it fails, a later pass does it (closeAgain), and kube-controller-manager
// does when it counts the quota next.
func (o *openings) close(ctx context.Context) {
	if len(o.quotas) == 0 {
		return
	}
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
	defer cancel()
	for _, opened := range o.quotas {
		if err := o.r.setHard(closing, opened.quota, counting.Closing(opened.quota, opened.entries)); client.IgnoreNotFound(err) != nil {
			logf.FromContext(ctx).Error(err, "Closing a quota again", "quota", opened.quota.Name)
		}
	}
}

// closeAgain closes a quota that was opened by an operator that died before it could close it, and reports whether there was anything to
// close: the API server remembers who set an entry last. What somebody else raised is kube-controller-manager's to set back.
func (r *NamespaceReconciler) closeAgain(ctx context.Context, p *pass, q *quotaCount) bool {
	quota := &corev1.ResourceQuota{}
	if err := r.Live.Get(ctx, client.ObjectKey{Namespace: p.namespace.Name, Name: q.ref.Name}, quota); err != nil {
		return false // It is tried again with the next look.
	}
	opened := map[corev1.ResourceName]*resource.Quantity{}
	loosened := counting.Of(quota).Loosened
	for _, name := range drift.StatusEntriesOf(quota.GetManagedFields(), "hard") {
		if slices.Contains(loosened, corev1.ResourceName(name)) {
			opened[corev1.ResourceName(name)] = nil
		}
	}
	if len(opened) == 0 {
		return false
	}
	if err := r.setHard(ctx, quota, counting.Closing(quota, opened)); err != nil {
		logf.FromContext(ctx).Error(err, "Closing a quota that was left open", "quota", quota.Name)
		return false
	}
	return true
}

// setHard sets entries of status.hard of exactly this quota; what is nil goes.
func (r *NamespaceReconciler) setHard(ctx context.Context, quota *corev1.ResourceQuota, hard map[corev1.ResourceName]*resource.Quantity) error {
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
	return r.Client.Status().Patch(ctx, patched, client.RawPatch(types.MergePatchType, patch))
}
