package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/test/framework/fixture"
)

const (
	// batchLabel is on the namespaces of a batch, with its name: profiles select by it.
	batchLabel = "bench"
	// workers is how many calls the floor, and whoever prepares something, has under way.
	workers = 32
)

// batch is a number of namespaces.
type batch struct {
	name       string
	namespaces []string
}

// addTo creates the namespaces that the batch lacks to be of that size, and waits for their
// ServiceAccounts default.
func (c *cluster) addTo(ctx context.Context, b *batch, size int) error {
	first := len(b.namespaces)
	for i := first; i < size; i++ {
		b.namespaces = append(b.namespaces, fmt.Sprintf("%s-%05d", b.name, i))
	}
	p := c.progress()
	err := parallel(ctx, workers, size-first, func(ctx context.Context, i int) error {
		p.at("created %d of %d namespaces", i, size-first)
		ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
			Name: b.namespaces[first+i], Labels: map[string]string{batchLabel: b.name},
		}}
		_, err := c.clients.CoreV1().Namespaces().Create(ctx, ns, metav1.CreateOptions{})
		return err
	})
	if err != nil {
		return fmt.Errorf("creating namespaces: %w", err)
	}
	return c.awaitAccounts(ctx, b)
}

// awaitAccounts waits until kube-controller-manager has made the ServiceAccount default of every
// namespace.
func (c *cluster) awaitAccounts(ctx context.Context, b *batch) error {
	what := fmt.Sprintf("the ServiceAccounts default of %d namespaces", len(b.namespaces))
	p := c.progress()
	return await(ctx, what, 10*time.Minute, time.Second, func(ctx context.Context) (bool, error) {
		accounts, err := c.clients.CoreV1().
			ServiceAccounts("").
			List(ctx, metav1.ListOptions{FieldSelector: "metadata.name=default"})
		if err != nil {
			return false, err
		}
		found := 0
		for i := range accounts.Items {
			if strings.HasPrefix(accounts.Items[i].Namespace, b.name+"-") {
				found++
			}
		}
		p.at("%d of %d ServiceAccounts default are there", found, len(b.namespaces))
		return found >= len(b.namespaces), nil
	})
}

// newBatch creates a batch and waits until all is quiet.
func (c *cluster) newBatch(ctx context.Context, name string, size int) (*batch, error) {
	b := &batch{name: name}
	if err := c.addTo(ctx, b, size); err != nil {
		return nil, err
	}
	return b, c.quiet(ctx)
}

// restricted is the sample of that name, for the namespaces of one batch.
func restricted(batch string) (*v1alpha1.SecurityProfile, error) {
	samples, err := fixture.Samples()
	if err != nil {
		return nil, fmt.Errorf("reading the samples: %w", err)
	}
	for i := range samples {
		if profile := &samples[i]; profile.Name == "restricted" {
			profile.Name = batch
			profile.Spec.NamespaceSelector = selecting(batch)
			return profile, nil
		}
	}
	return nil, errors.New("config/samples holds no profile named restricted")
}

// withoutPolicies leaves a profile its baseline and takes its admission policies away.
func withoutPolicies(spec *v1alpha1.SecurityProfileSpec) {
	spec.Workloads, spec.Images, spec.Protection = nil, nil, nil
	spec.Network.TenantPolicies = v1alpha1.TenantPoliciesAllow
}

func selecting(batch string) v1alpha1.NamespaceSelector {
	return v1alpha1.NamespaceSelector{MatchLabels: map[string]string{batchLabel: batch}}
}

// awaitInPlace waits until the profile says that its baseline is in place in so many namespaces.
func (c *cluster) awaitInPlace(ctx context.Context, name string, namespaces int) error {
	timeout := 2*time.Minute + time.Duration(namespaces)*100*time.Millisecond
	p := c.progress()
	what := fmt.Sprintf(
		"profile %s to be in place in %d namespaces (the operator's log: %s)",
		name,
		namespaces,
		c.operator.Log,
	)
	return await(ctx, what, timeout, 250*time.Millisecond, func(ctx context.Context) (bool, error) {
		profile := &v1alpha1.SecurityProfile{}
		if err := c.admin.Get(ctx, client.ObjectKey{Name: name}, profile); err != nil {
			return false, client.IgnoreNotFound(err)
		}
		counts := profile.Status.Namespaces
		p.at("%d of %d namespaces comply", counts.Compliant, namespaces)
		ready := meta.FindStatusCondition(profile.Status.Conditions, v1alpha1.ConditionReady)
		inPlace := ready != nil && ready.Status == metav1.ConditionTrue &&
			profile.Status.ObservedGeneration == profile.Generation
		return inPlace && int(counts.Compliant) == namespaces, stillRuns(c.operator)
	})
}

// editProfile changes the spec of a profile, and returns when the API server was asked to.
func (c *cluster) editProfile(
	ctx context.Context,
	name string,
	change func(*v1alpha1.SecurityProfileSpec),
) (time.Time, error) {
	var asked time.Time
	err := await(
		ctx,
		"an edit of profile "+name,
		time.Minute,
		50*time.Millisecond,
		func(ctx context.Context) (bool, error) {
			profile := &v1alpha1.SecurityProfile{}
			if err := c.admin.Get(ctx, client.ObjectKey{Name: name}, profile); err != nil {
				return false, err
			}
			change(&profile.Spec)
			asked = time.Now()
			err := c.admin.Update(ctx, profile)
			if apierrors.IsConflict(err) { // Its status was written meanwhile.
				return false, nil
			}
			return true, err
		},
	)
	return asked, err
}
