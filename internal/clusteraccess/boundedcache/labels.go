package boundedcache

import (
	"maps"
	"slices"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	podsecurity "k8s.io/pod-security-admission/api"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/findings"
)

// maxLabelBytes is how large the labels of a namespace may be that are cached in full. Of larger
// ones, only those are cached that Bulwark reads or that profiles select by.
const maxLabelBytes = 16 << 10

// alwaysCached are the labels of namespaces that Bulwark reads whatever profiles select by.
var alwaysCached = []string{
	v1alpha1.ProfileLabel, v1alpha1.WorkloadsLabel, v1alpha1.ImagesLabel,
	corev1.LabelMetadataName, findings.LabelSyncLabel,
	podsecurity.EnforceLevelLabel, podsecurity.EnforceVersionLabel,
	podsecurity.AuditLevelLabel, podsecurity.AuditVersionLabel,
	podsecurity.WarnLevelLabel, podsecurity.WarnVersionLabel,
}

// Labels knows by which labels of namespaces profiles select. When a profile begins to select by a
// label that may have been trimmed, the namespaces with trimmed labels are read again.
type Labels struct {
	mu      sync.Mutex
	keys    map[types.UID][]string // by profile
	cached  map[string]bool        // those of all profiles
	trimmed bool                   // since the last resend, labels of some namespace were
	resend  chan struct{}          // requests to send the namespaces with trimmed labels again
}

// NewLabels returns a Labels that knows no profile.
func NewLabels() *Labels {
	return &Labels{keys: map[types.UID][]string{}, cached: map[string]bool{}, resend: make(chan struct{}, 1)}
}

// Note records by which labels a profile selects, and by which it selected while its spec was last
// valid.
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

// Forget drops a profile that was deleted.
func (l *Labels) Forget(profile *v1alpha1.SecurityProfile) { l.set(profile.UID, nil) }

func (l *Labels) set(profile types.UID, keys []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.keys[profile] = keys; keys == nil {
		delete(l.keys, profile)
	}
	before := l.cached
	l.cached = map[string]bool{}
	for _, keys := range l.keys {
		for _, key := range keys {
			l.cached[key] = true
		}
	}
	for key := range l.cached {
		if !before[key] && l.trimmed {
			l.trimmed = false
			l.requestResend()
			return
		}
	}
}

// Trim returns the labels of a namespace that are cached.
func (l *Labels) Trim(all map[string]string) map[string]string {
	if labelBytes(all) <= maxLabelBytes {
		return all
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.trimmed = true
	cached := map[string]string{}
	for key := range l.cached {
		if value, labelled := all[key]; labelled {
			cached[key] = value
		}
	}
	for _, key := range alwaysCached {
		if value, labelled := all[key]; labelled {
			cached[key] = value
		}
	}
	return cached
}

// labelBytes is the size of all labels of a namespace.
func labelBytes(all map[string]string) int {
	bytes := 0
	for key, value := range all {
		bytes += len(key) + len(value)
	}
	return bytes
}

// requestResend requests to send the namespaces whose labels may have been trimmed again.
func (l *Labels) requestResend() {
	select {
	case l.resend <- struct{}{}:
	default:
	}
}
