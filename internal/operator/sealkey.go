package operator

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/posture"
)

const (
	// keyRetry is how soon the key is asked for again if the API server does not answer, and
	// keyTimeout for how long.
	keyRetry   = 500 * time.Millisecond
	keyTimeout = 20 * time.Second
	// keyIsNew is how long reports may be older than the key: a roll-out of several replicas, of
	// which one makes it and another may lead first, has sealed them all by then.
	keyIsNew = time.Hour
)

// sealKey is the key by which the operator seals its reports. All replicas and all later ones have
// the same, from a Secret in the operator's namespace, which the first one makes. Made is when that
// was if it is new, so that there are reports of a release before it, and else zero.
//
// Where the operator may not read it there is no key: reports are believed as far as they can be
// true, and readiness says what is missing. Nor is one made where the API server would not keep
// what is sealed with it: every report would seem to be somebody else's.
func sealKey(
	ctx context.Context, c client.Client, namespace string, clock clock.PassiveClock, log logr.Logger,
) (key posture.Key, made time.Time, err error) {
	var last error
	err = wait.PollUntilContextTimeout(ctx, keyRetry, keyTimeout, true, func(ctx context.Context) (bool, error) {
		if last = requireSeals(ctx, c); last == nil {
			key, made, last = readOrMakeKey(ctx, c, namespace)
		}
		final := last == nil || apierrors.IsForbidden(last) || apierrors.IsNotFound(last) || errors.Is(last, errNoSeals)
		return final, nil
	})
	switch {
	case err != nil && last != nil:
		return nil, time.Time{}, last
	case err != nil:
		return nil, time.Time{}, fmt.Errorf("reading the key that seals reports: %w", err)
	case last != nil:
		log.Error(last, "There is no key to seal reports with: whoever may write them can forge history")
	case !key.Usable():
		log.Error(nil, "The key to seal reports with is too short: whoever may write them can forge history. "+
			"Remedy: delete the Secret and restart the operator",
			"namespace", namespace, "secret", v1alpha1.SealSecret)
	}
	if clock.Since(made) >= keyIsNew {
		made = time.Time{}
	}
	return key, made, nil
}

// readOrMakeKey reads the Secret, or makes it if there is none, and tells when it was made. Of
// several who make it at once, the others read it.
func readOrMakeKey(ctx context.Context, c client.Client, namespace string) (posture.Key, time.Time, error) {
	secret := &corev1.Secret{}
	err := c.Get(ctx, client.ObjectKey{Namespace: namespace, Name: v1alpha1.SealSecret}, secret)
	if err == nil {
		return secret.Data[v1alpha1.SealKey], secret.CreationTimestamp.Time, nil
	}
	if !apierrors.IsNotFound(err) {
		return nil, time.Time{}, fmt.Errorf("reading the key that seals reports: %w", err)
	}
	key := make([]byte, posture.KeyLength)
	_, _ = rand.Read(key) // It never fails.
	secret = &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: namespace, Name: v1alpha1.SealSecret,
			Labels: map[string]string{v1alpha1.ManagedByLabel: v1alpha1.ManagedBy},
		},
		Data:      map[string][]byte{v1alpha1.SealKey: key},
		Immutable: ptr.To(true),
	}
	if err := c.Create(ctx, secret); err != nil {
		return nil, time.Time{}, fmt.Errorf("making the key that seals reports: %w", err)
	}
	return key, secret.CreationTimestamp.Time, nil
}

// errNoSeals is that the API server drops the seals of reports.
var errNoSeals = errors.New(
	"the CustomResourceDefinition of NamespacePostures is of an older release and has no seal. " +
		"Remedy: kubectl apply --server-side -k config/crd, and restart the operator",
)

// requireSeals is errNoSeals if the CustomResourceDefinition of reports has none. Where that may
// not be read it is taken to have one.
func requireSeals(ctx context.Context, c client.Client) error {
	definitions := &unstructured.UnstructuredList{}
	definitions.SetGroupVersionKind(schema.GroupVersionKind{
		Group: "apiextensions.k8s.io", Version: "v1", Kind: "CustomResourceDefinitionList",
	})
	name := "namespacepostures." + v1alpha1.GroupVersion.Group
	err := c.List(ctx, definitions, client.MatchingFields{metav1.ObjectNameField: name})
	if apierrors.IsForbidden(err) || meta.IsNoMatchError(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading CustomResourceDefinition %s: %w", name, err)
	}
	for i := range definitions.Items {
		if !hasSeal(&definitions.Items[i]) {
			return errNoSeals
		}
	}
	return nil
}

// hasSeal reports whether the version of a definition that the operator writes has a seal.
func hasSeal(definition *unstructured.Unstructured) bool {
	versions, _, _ := unstructured.NestedSlice(definition.Object, "spec", "versions")
	for _, v := range versions {
		version, ok := v.(map[string]any)
		if !ok || version["name"] != v1alpha1.GroupVersion.Version {
			continue
		}
		_, sealed, err := unstructured.NestedMap(version,
			"schema", "openAPIV3Schema", "properties", "operatorState", "properties", "seal")
		return sealed || err != nil
	}
	return true
}
