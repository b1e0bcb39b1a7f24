package clusteraccess

import (
	"context"
	"maps"
	"slices"
	"sync"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	toolscache "k8s.io/client-go/tools/cache"
	podsecurity "k8s.io/pod-security-admission/api"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/findings"
)

// maxLabelBytes is how much of a namespace's labels is held, whatever they are. Of more, only those
// are that somebody asks for.
const maxLabelBytes = 16 << 10

// askedFor are the labels of namespaces that are looked at whatever profiles say.
var askedFor = []string{
	v1alpha1.ProfileLabel, v1alpha1.WorkloadsLabel, v1alpha1.ImagesLabel, corev1.LabelMetadataName, findings.LabelSyncLabel,
	podsecurity.EnforceLevelLabel, podsecurity.EnforceVersionLabel, podsecurity.AuditLevelLabel, podsecurity.AuditVersionLabel,
	podsecurity.WarnLevelLabel, podsecurity.WarnVersionLabel,
}

// Labels knows which labels of namespaces profiles select by. A namespace has as many labels as
// somebody writes, and a profile may come to select by any: so once one is asked for that may have
// been left out, all namespaces are read anew.
type Labels struct {
	mu      sync.Mutex
	of      map[types.UID][]string
	keys    map[string]bool
	trimmed bool          // labels of some namespace were left out
	stale   chan struct{} // closed when what was left out is asked for
}

// NewLabels knows of no profile.
func NewLabels() *Labels {
	return &Labels{of: map[types.UID][]string{}, keys: map[string]bool{}, stale: make(chan struct{})}
}

// Note learns by what a profile selects, and by what it did while its spec could be carried out.
func (l *Labels) Note(profile *v1alpha1.SecurityProfile) {
	selector := &profile.Spec.NamespaceSelector
	keys := slices.Collect(maps.Keys(selector.MatchLabels))
	for i := range selector.MatchExpressions {
		keys = append(keys, selector.MatchExpressions[i].Key)
	}
	if remembered := profile.Status.Selection; remembered != nil {
		keys = slices.AppendSeq(keys, maps.Keys(remembered.MatchLabels))
		for i := range remembered.MatchExpressions {
			keys = append(keys, remembered.MatchExpressions[i].Key)
		}
	}
	l.set(profile.UID, keys)
}

// Forget is for a profile that is gone.
func (l *Labels) Forget(profile *v1alpha1.SecurityProfile) { l.set(profile.UID, nil) }

func (l *Labels) set(profile types.UID, keys []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.of[profile] = keys; keys == nil {
		delete(l.of, profile)
	}
	before := l.keys
	l.keys = map[string]bool{}
	for _, keys := range l.of {
		for _, key := range keys {
			l.keys[key] = true
		}
	}
	for key := range l.keys {
		if !before[key] && l.trimmed {
			l.trimmed = false
			close(l.stale)
			l.stale = make(chan struct{})
			return
		}
	}
}

// Trim are the labels of a namespace that are held.
func (l *Labels) Trim(all map[string]string) map[string]string {
	bytes := 0
	for key, value := range all {
		bytes += len(key) + len(value)
	}
	if bytes <= maxLabelBytes {
		return all
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.trimmed = true
	held := map[string]string{}
	for key := range l.keys {
		if value, labelled := all[key]; labelled {
			held[key] = value
		}
	}
	for _, key := range askedFor {
		if value, labelled := all[key]; labelled {
			held[key] = value
		}
	}
	return held
}

func (l *Labels) whenStale() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.stale
}

// namespaces lists and watches as another does, until labels are asked for that it has left out:
// then the watch says that it has expired, upon which all is read anew.
func (i *Informers) namespaces(of toolscache.ListerWatcher) toolscache.ListerWatcher {
	source := toolscache.ToListerWatcherWithContext(of)
	stale := i.Labels.whenStale() // Of the time when all was read last.
	return &toolscache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			if err := i.prime(ctx); err != nil {
				return nil, err
			}
			stale = i.Labels.whenStale()
			return source.ListWithContext(ctx, o)
		},
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			if err := i.prime(ctx); err != nil {
				return nil, err
			}
			if o.SendInitialEvents != nil && *o.SendInitialEvents {
				stale = i.Labels.whenStale()
			}
			w, err := source.WatchWithContext(ctx, o)
			if err != nil {
				return nil, err
			}
			return filtered(w, stale, func(e watch.Event) (watch.Event, bool) { return e, true }), nil
		},
	}
}
