package boundedcache

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/baseline"
)

// Informers makes the informers of the caches. Those of the managed kinds cache in full only the
// objects that profiles desire.
type Informers struct {
	// Desired knows the objects that profiles desire, and Labels the labels that they select by.
	// The cache of profiles must call Note with each profile.
	Desired *Desired
	Labels  *Labels
	// Undesired knows how many other objects bear Bulwark's label.
	Undesired *Undesired
	// BytesRead counts what the watches of managed kinds read.
	BytesRead *BytesRead

	config   *rest.Config
	http     *http.Client
	scheme   *runtime.Scheme
	live     client.Reader
	labelled labels.Selector

	mu     sync.Mutex
	primed bool
}

// NewInformers returns Informers that list the profiles once with the live reader, before any
// informer lists the objects that profiles desire.
func NewInformers(
	config *rest.Config, scheme *runtime.Scheme, live client.Reader, labelled labels.Selector,
) (*Informers, error) {
	desired, read := NewDesired(), newBytesRead()
	config = rest.CopyConfig(config)
	config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return &watchTrimmer{next, desired, read}
	})
	httpClient, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, fmt.Errorf("making a client: %w", err)
	}
	return &Informers{
		Desired: desired, Labels: NewLabels(), Undesired: NewUndesired(desired), BytesRead: read,
		config: config, http: httpClient, scheme: scheme, live: live, labelled: labelled,
	}, nil
}

// New returns an informer for the kind of the object. The standard informer would decode all
// content of all objects.
func (i *Informers) New(
	of toolscache.ListerWatcher, object runtime.Object, resync time.Duration, indexers toolscache.Indexers,
) toolscache.SharedIndexInformer {
	if _, ok := object.(*corev1.Namespace); ok {
		of = i.namespaces(of)
	} else if o, ok := object.(baseline.Object); ok {
		for k := range baseline.NamespacedKinds {
			if kind := &baseline.NamespacedKinds[k]; kind.Is(o) {
				of = i.labelledOf(kind)
			}
		}
	}
	return toolscache.NewSharedIndexInformer(of, object, resync, indexers)
}

// listPage is how many objects a page of a list has: all of them, up to 1.5 MiB each, are in memory
// before any is trimmed. Lists are read only from API servers that cannot stream them.
const listPage = 50

// labelledOf lists and watches the objects of one kind that bear Bulwark's label.
func (i *Informers) labelledOf(kind *baseline.Kind) toolscache.ListerWatcher {
	newClient := sync.OnceValues(func() (*rest.RESTClient, error) { return i.clientFor(kind) })
	request := func(ctx context.Context, o *metav1.ListOptions) (*rest.Request, error) {
		if err := i.prime(ctx); err != nil {
			return nil, err
		}
		c, err := newClient()
		if err != nil {
			return nil, err
		}
		o.LabelSelector = i.labelled.String()
		return c.Get().Resource(kind.Resource).VersionedParams(o, metav1.ParameterCodec), nil
	}
	return &toolscache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			if o.Continue == "" { // From its own cache, the API server returns no pages but the whole list.
				o.ResourceVersion, o.ResourceVersionMatch = "", ""
			}
			o.Limit = listPage
			r, err := request(ctx, &o)
			if err != nil {
				return nil, err
			}
			list, err := i.scheme.New(kind.GroupVersion().WithKind(kind.Kind + "List"))
			if err != nil {
				return nil, fmt.Errorf("making a list of %s: %w", kind.Resource, err)
			}
			if err := r.Do(ctx).Into(list); err != nil {
				return nil, err
			}
			return i.Undesired.list(kind.Kind, list, o.Continue == "")
		},
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			o.Watch, o.AllowWatchBookmarks = true, true
			r, err := request(ctx, &o)
			if err != nil {
				return nil, err
			}
			w, err := r.Watch(ctx)
			if err != nil {
				return nil, err
			}
			return i.Undesired.watch(kind.Kind, w, o.SendInitialEvents != nil && *o.SendInitialEvents), nil
		},
	}
}

// clientFor returns a client that speaks protobuf only, which can be trimmed before it is decoded.
func (i *Informers) clientFor(kind *baseline.Kind) (*rest.RESTClient, error) {
	config := rest.CopyConfig(i.config)
	version := kind.GroupVersion()
	config.GroupVersion, config.APIPath = &version, "/apis"
	if kind.Group == "" {
		config.APIPath = "/api"
	}
	config.ContentType, config.AcceptContentTypes = runtime.ContentTypeProtobuf, runtime.ContentTypeProtobuf
	config.NegotiatedSerializer = trimmingSerializer{
		serializer.WithoutConversionCodecFactory{CodecFactory: serializer.NewCodecFactory(i.scheme)}, i.Desired,
	}
	c, err := rest.RESTClientForConfigAndClient(config, i.http)
	if err != nil {
		return nil, fmt.Errorf("making a client of %s: %w", kind.Resource, err)
	}
	return c, nil
}

// prime notes the existing profiles once. The cache of profiles notes later versions, before any
// reconciler reads them.
func (i *Informers) prime(ctx context.Context) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.primed {
		return nil
	}
	var profiles v1alpha1.SecurityProfileList
	if err := i.live.List(ctx, &profiles); err != nil {
		return fmt.Errorf("reading the profiles before what they desire: %w", err)
	}
	for p := range profiles.Items {
		i.Note(&profiles.Items[p])
	}
	i.primed = true
	return nil
}

// Note records what a profile desires and selects by. It must be called before any reconciler reads
// that version of the profile.
func (i *Informers) Note(profile *v1alpha1.SecurityProfile) {
	i.Desired.Note(profile)
	i.Labels.Note(profile)
}

// ForgetDeleted makes the informers forget profiles that are deleted.
func (i *Informers) ForgetDeleted(ctx context.Context, caches cache.Cache) error {
	profiles, err := caches.GetInformer(ctx, &v1alpha1.SecurityProfile{}, cache.BlockUntilSynced(false))
	if err == nil {
		_, err = profiles.AddEventHandler(toolscache.ResourceEventHandlerFuncs{DeleteFunc: func(o any) {
			if gone, ok := o.(toolscache.DeletedFinalStateUnknown); ok {
				o = gone.Obj
			}
			if profile, ok := o.(*v1alpha1.SecurityProfile); ok {
				i.Desired.Forget(profile)
				i.Labels.Forget(profile)
			}
		}})
	}
	if err != nil {
		return fmt.Errorf("listening to the cache of SecurityProfiles: %w", err)
	}
	return nil
}
