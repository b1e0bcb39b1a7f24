package clusteraccess

import (
	"context"
	"maps"
	"math"
	"slices"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	toolscache "k8s.io/client-go/tools/cache"
	podsecurity "k8s.io/pod-security-admission/api"
	"sigs.k8s.io/controller-runtime/pkg/client"

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
// been left out, those namespaces are read anew.
type Labels struct {
	mu      sync.Mutex
	of      map[types.UID][]string
	keys    map[string]bool
	trimmed bool          // labels of some namespace were left out
	missed  chan struct{} // says that what was left out is asked for
}

// NewLabels knows of no profile.
func NewLabels() *Labels {
	return &Labels{of: map[types.UID][]string{}, keys: map[string]bool{}, missed: make(chan struct{}, 1)}
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
			l.retell()
			return
		}
	}
}

// Trim are the labels of a namespace that are held.
func (l *Labels) Trim(all map[string]string) map[string]string {
	if labelBytes(all) <= maxLabelBytes {
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

// labelBytes is how much there is of a namespace's labels.
func labelBytes(all map[string]string) int {
	bytes := 0
	for key, value := range all {
		bytes += len(key) + len(value)
	}
	return bytes
}

// retell has the namespaces told anew whose labels can have been left out.
func (l *Labels) retell() {
	select {
	case l.missed <- struct{}{}:
	default:
	}
}

// namespaces lists and watches as another does. Once labels are asked for that were left out, its
// watch tells anew of the namespaces that they can be of. It does not expire: before it reads all
// anew, client-go waits longer each time, and nobody would hear of any namespace for up to a minute.
func (i *Informers) namespaces(of toolscache.ListerWatcher) toolscache.ListerWatcher {
	source := toolscache.ToListerWatcherWithContext(of)
	return &toolscache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			if err := i.prime(ctx); err != nil {
				return nil, err
			}
			return source.ListWithContext(ctx, o)
		},
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			if err := i.prime(ctx); err != nil {
				return nil, err
			}
			w, err := source.WatchWithContext(ctx, o)
			if err != nil {
				return nil, err
			}
			told := told{all: o.SendInitialEvents == nil || !*o.SendInitialEvents, version: o.ResourceVersion}
			return (&filter{
				pass: func(e watch.Event) (watch.Event, bool) {
					told.note(e)
					return e, true
				},
				missed: func() <-chan struct{} {
					if told.all {
						return i.Labels.missed
					}
					return nil
				},
				retell: func(ctx context.Context, tell func(watch.Event)) error {
					err := i.retell(ctx, &told, tell)
					if err != nil || ctx.Err() != nil {
						i.Labels.retell() // By the next watch.
					}
					return err
				},
			}).start(w), nil
		},
	}
}

// told is as of which version a watch has told everything.
type told struct {
	version string
	all     bool // what there was when it began
}

func (t *told) note(e watch.Event) {
	o, err := meta.Accessor(e.Object)
	if err != nil {
		return
	}
	t.all = t.all || e.Type == watch.Bookmark && o.GetAnnotations()[metav1.InitialEventsAnnotationKey] == "true"
	t.version = o.GetResourceVersion()
}

// retell tells of the namespaces whose labels can have been left out, as they were when the watch
// told of something last: newer ones would have a watch that goes on from them skip events.
func (i *Informers) retell(ctx context.Context, told *told, tell func(watch.Event)) error {
	newList := func() *corev1.NamespaceList { return &corev1.NamespaceList{} }
	_, err := EachPage(ctx, i.live, math.MaxInt, newList, func(page *corev1.NamespaceList) {
		for n := range page.Items {
			if ns := &page.Items[n]; labelBytes(ns.Labels) > maxLabelBytes {
				tell(watch.Event{Type: watch.Modified, Object: ns})
			}
		}
	}, exactly(told.version))
	if err == nil {
		latest := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{ResourceVersion: told.version}}
		tell(watch.Event{Type: watch.Bookmark, Object: latest})
	}
	return err
}

// exactly lists what there was at a version. The next pages are of the version of the first.
type exactly string

// ApplyToList makes it an option of a list.
func (version exactly) ApplyToList(o *client.ListOptions) {
	if o.Continue == "" {
		o.Raw = &metav1.ListOptions{ResourceVersion: string(version), ResourceVersionMatch: metav1.ResourceVersionMatchExact}
	}
}
