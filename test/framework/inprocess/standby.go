package inprocess

import (
	"context"
	"errors"
	"fmt"

	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/internal/clusteraccess/boundedcache"
	"github.com/bulwark-dev/bulwark/internal/operator"
	"github.com/bulwark-dev/bulwark/test/framework/running"
)

// Standby are the caches of an operator that does not lead: it reads, and reconciles nothing.
type Standby struct {
	cache.Cache
	// Informers know what the caches leave out.
	Informers *boundedcache.Informers

	task *running.Task
}

// StartStandby starts to read the cluster of a configuration, and waits until all is read.
func StartStandby(ctx context.Context, cfg *rest.Config, live client.Reader) (*Standby, error) {
	options, informers, err := boundedcache.Options(cfg, operator.Scheme(), live, nil)
	if err != nil {
		return nil, err
	}
	options.Scheme = operator.Scheme()
	caches, err := cache.New(cfg, options)
	if err != nil {
		return nil, fmt.Errorf("making caches: %w", err)
	}
	objects := []client.Object{&v1alpha1.SecurityProfile{}, &v1alpha1.NamespacePosture{}}
	for i := range baseline.Kinds {
		objects = append(objects, baseline.Kinds[i].New())
	}
	for _, o := range objects {
		if _, err := caches.GetInformer(ctx, o, cache.BlockUntilSynced(false)); err != nil {
			return nil, fmt.Errorf("caching %T: %w", o, err)
		}
	}
	s := &Standby{Cache: caches, Informers: informers, task: running.Start(ctx, caches.Start)}
	if !caches.WaitForCacheSync(ctx) {
		return nil, errors.Join(errors.New("the caches have not synced"), s.Stop())
	}
	return s, nil
}

// Stop stops it, and is the error that it ended with.
func (s *Standby) Stop() error { return s.task.Stop() }
