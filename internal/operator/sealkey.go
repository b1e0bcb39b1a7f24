package operator

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
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
)

// sealKey is the key by which the operator seals its reports. All replicas and all later ones have
// the same, from a Secret in the operator's namespace, which the first one makes. Made is when this
// one made it, and else zero.
//
// Where the operator may not read it there is no key: reports are believed as far as they can be
// true, and readiness says what is missing.
func sealKey(
	ctx context.Context, c client.Client, namespace string, log logr.Logger,
) (key posture.Key, made time.Time, err error) {
	var last error
	err = wait.PollUntilContextTimeout(ctx, keyRetry, keyTimeout, true, func(ctx context.Context) (bool, error) {
		key, made, last = readOrMakeKey(ctx, c, namespace)
		return last == nil || apierrors.IsForbidden(last) || apierrors.IsNotFound(last), nil
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
	return key, made, nil
}

// readOrMakeKey reads the Secret, or makes it if there is none. Of several who make it at once, the
// others read it.
func readOrMakeKey(ctx context.Context, c client.Client, namespace string) (posture.Key, time.Time, error) {
	secret := &corev1.Secret{}
	err := c.Get(ctx, client.ObjectKey{Namespace: namespace, Name: v1alpha1.SealSecret}, secret)
	if err == nil {
		return secret.Data[v1alpha1.SealKey], time.Time{}, nil
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
