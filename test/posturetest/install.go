package posturetest

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/yaml"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/config/crd/bases"
	"github.com/bulwark-dev/bulwark/config/rbac"
)

const (
	// fieldManager is who installs.
	fieldManager = "posturetest"
	// operatorAccount is the name of the operator's ServiceAccount in config/rbac.
	operatorAccount = "bulwark-manager"
	// tokenLifetime is longer than any suite runs. By default it would be an hour.
	tokenLifetime = 24 * time.Hour
)

// install installs what config/default does, but for the Deployment.
func install(ctx context.Context, cfg *rest.Config, c client.Client) error {
	var crds []*apiextensionsv1.CustomResourceDefinition
	for _, manifest := range [][]byte{bases.SecurityProfiles, bases.NamespacePostures} {
		crd := &apiextensionsv1.CustomResourceDefinition{}
		if err := yaml.UnmarshalStrict(manifest, crd); err != nil {
			return fmt.Errorf("reading a CustomResourceDefinition: %w", err)
		}
		crds = append(crds, crd)
	}
	if _, err := envtest.InstallCRDs(cfg, envtest.CRDInstallOptions{CRDs: crds}); err != nil {
		return fmt.Errorf("installing the CustomResourceDefinitions: %w", err)
	}
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: v1alpha1.OperatorNamespace}}
	if err := client.IgnoreAlreadyExists(c.Create(ctx, namespace)); err != nil {
		return fmt.Errorf("making namespace %s: %w", namespace.Name, err)
	}
	permissions, err := permissions()
	if err != nil {
		return err
	}
	for _, o := range permissions {
		applied := client.ApplyConfigurationFromUnstructured(o)
		if err := c.Apply(ctx, applied, client.ForceOwnership, client.FieldOwner(fieldManager)); err != nil {
			return fmt.Errorf("installing %s %s: %w", o.GetKind(), o.GetName(), err)
		}
	}
	return nil
}

// permissions are the objects of config/rbac.
func permissions() ([]*unstructured.Unstructured, error) {
	files, err := fs.Glob(rbac.Manifests, "*.yaml")
	if err != nil {
		return nil, err
	}
	var objects []*unstructured.Unstructured
	for _, file := range files {
		data, err := rbac.Manifests.ReadFile(file)
		if err != nil {
			return nil, err
		}
		documents := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(data)))
		for {
			document, err := documents.Read()
			if errors.Is(err, io.EOF) {
				break
			}
			o := &unstructured.Unstructured{}
			if err := errors.Join(err, yaml.Unmarshal(document, &o.Object)); err != nil {
				return nil, fmt.Errorf("reading config/rbac/%s: %w", file, err)
			}
			if len(o.Object) > 0 { // What stands before the first --- may be a comment.
				objects = append(objects, o)
			}
		}
	}
	return objects, nil
}

// operatorConfig is the configuration of a client that is the operator's ServiceAccount. By its
// token the policies of tamper protection know it, as they do in a cluster.
func operatorConfig(ctx context.Context, cfg *rest.Config, c client.Client) (*rest.Config, error) {
	account := &corev1.ServiceAccount{
		ObjectMeta: metav1.ObjectMeta{Namespace: v1alpha1.OperatorNamespace, Name: operatorAccount},
	}
	request := &authenticationv1.TokenRequest{
		Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: new(int64(tokenLifetime.Seconds()))},
	}
	if err := c.SubResource("token").Create(ctx, account, request); err != nil {
		return nil, fmt.Errorf("requesting a token of ServiceAccount %s/%s: %w", account.Namespace, account.Name, err)
	}
	operatorCfg := rest.AnonymousClientConfig(cfg)
	operatorCfg.BearerToken = request.Status.Token
	return operatorCfg, nil
}
