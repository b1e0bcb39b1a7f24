package cli

import (
	"context"
	"fmt"

	"github.com/spf13/pflag"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
)

// clusterOptions say which cluster --from-cluster reads, as kubectl's own flags do.
type clusterOptions struct {
	wanted bool
	config *genericclioptions.ConfigFlags
}

func (c *clusterOptions) add(flags *pflag.FlagSet) {
	all := genericclioptions.NewConfigFlags(true)
	// kubectl's other flags mean something else here, or are not asked for.
	c.config = &genericclioptions.ConfigFlags{KubeConfig: all.KubeConfig, Context: all.Context, Timeout: all.Timeout}
	flags.BoolVar(
		&c.wanted,
		"from-cluster",
		false,
		"take the SecurityProfiles of a cluster, and its namespaces with their labels; those of files go before them",
	)
	c.config.AddFlags(flags)
}

// namespace is that of the kubeconfig's context.
func (c *clusterOptions) namespace() (string, error) {
	namespace, _, err := c.config.ToRawKubeConfigLoader().Namespace()
	if err != nil {
		return "", fmt.Errorf("--from-cluster: reading the kubeconfig: %w", err)
	}
	return namespace, nil
}

// connect is the cluster.
func (c *clusterOptions) connect() (Cluster, error) {
	config, err := c.config.ToRESTConfig()
	if err != nil {
		return nil, fmt.Errorf("--from-cluster: reading the kubeconfig: %w", err)
	}
	scheme, err := clusterScheme()
	if err != nil {
		return nil, err
	}
	cluster, err := client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		return nil, fmt.Errorf("--from-cluster: %w", err)
	}
	return cluster, nil
}

// clusterScheme are the types that are read of a cluster.
func clusterScheme() (*runtime.Scheme, error) {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		corev1.AddToScheme, authorizationv1.AddToScheme, v1alpha1.AddToScheme,
	} {
		if err := add(scheme); err != nil {
			return nil, err
		}
	}
	return scheme, nil
}

// inCluster is what a cluster knows.
type inCluster struct {
	profiles   []v1alpha1.SecurityProfile
	namespaces []corev1.Namespace
	rights     authorizer.UnconditionalAuthorizer
}

// fromCluster is what the cluster knows. Objects that name no namespace are in that of the
// kubeconfig's context.
func (o *checkOptions) fromCluster(ctx context.Context, world *World) (*inCluster, error) {
	cluster := world.Cluster
	if cluster == nil {
		var err error
		if cluster, err = o.cluster.connect(); err != nil {
			return nil, err
		}
		if !o.namespaceGiven {
			if o.namespace, err = o.cluster.namespace(); err != nil {
				return nil, err
			}
		}
	}
	profiles, namespaces, err := ofCluster(ctx, cluster)
	if err != nil {
		return nil, err
	}
	return &inCluster{profiles, namespaces, &reviews{cluster: cluster}}, nil
}

// ofCluster are the SecurityProfiles of a cluster and its namespaces.
func ofCluster(ctx context.Context, reader client.Reader) ([]v1alpha1.SecurityProfile, []corev1.Namespace, error) {
	var profiles v1alpha1.SecurityProfileList
	switch err := reader.List(ctx, &profiles); {
	case meta.IsNoMatchError(err):
		return nil, nil, fmt.Errorf("--from-cluster: the cluster knows no SecurityProfiles: is Bulwark installed there?")
	case err != nil:
		return nil, nil, fmt.Errorf("--from-cluster: reading the SecurityProfiles: %w", err)
	}
	var namespaces corev1.NamespaceList
	if err := reader.List(ctx, &namespaces); err != nil {
		return nil, nil, fmt.Errorf("--from-cluster: reading the Namespaces: %w", err)
	}
	return profiles.Items, namespaces.Items, nil
}

// before are the profiles of files, and those of the cluster that none of them takes the place of.
func before(files, cluster []v1alpha1.SecurityProfile) []v1alpha1.SecurityProfile {
	named := map[string]bool{}
	for i := range files {
		named[files[i].Name] = true
	}
	for i := range cluster {
		if !named[cluster[i].Name] {
			files = append(files, cluster[i])
		}
	}
	return files
}
