package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/spf13/pflag"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/overview"
)

// answerWithin is how long a request may take, if --request-timeout does not say it.
const answerWithin = 5 * time.Second

// pageSize is how many objects a request asks for.
const pageSize = 500

// liveOptions say which cluster a command looks at.
type liveOptions struct {
	config *genericclioptions.ConfigFlags
}

func (o *liveOptions) add(flags *pflag.FlagSet) {
	all := genericclioptions.NewConfigFlags(true)
	o.config = &genericclioptions.ConfigFlags{
		KubeConfig: all.KubeConfig, Context: all.Context, Timeout: all.Timeout,
		Impersonate: all.Impersonate, ImpersonateGroup: all.ImpersonateGroup,
	}
	o.config.AddFlags(flags)
}

// connect is the cluster. It asks nothing of it, also not which kinds it knows.
func (o *liveOptions) connect(world *World) (client.Reader, error) {
	if world.Cluster != nil {
		return world.Cluster, nil
	}
	config, err := o.config.ToRESTConfig()
	if err != nil {
		return nil, fmt.Errorf("reading the kubeconfig: %w", err)
	}
	if config.Timeout == 0 && *o.config.Timeout == "0" {
		config.Timeout = answerWithin
	}
	mapper := meta.NewDefaultRESTMapper(nil)
	mapper.Add(corev1.SchemeGroupVersion.WithKind("Namespace"), meta.RESTScopeRoot)
	mapper.AddSpecific(
		v1alpha1.GroupVersion.WithKind("SecurityProfile"),
		v1alpha1.GroupVersion.WithResource("securityprofiles"),
		v1alpha1.GroupVersion.WithResource("securityprofile"),
		meta.RESTScopeRoot,
	)
	mapper.AddSpecific(
		v1alpha1.GroupVersion.WithKind("NamespacePosture"),
		v1alpha1.GroupVersion.WithResource("namespacepostures"),
		v1alpha1.GroupVersion.WithResource("namespaceposture"),
		meta.RESTScopeNamespace,
	)
	scheme, err := clusterScheme()
	if err != nil {
		return nil, err
	}
	return client.New(config, client.Options{Scheme: scheme, Mapper: mapper})
}

// unreadable says in words why something could not be read: verb and resource are what was asked
// for.
func unreadable(verb, resource string, err error) error {
	var network net.Error
	switch {
	case apierrors.IsForbidden(err):
		return fmt.Errorf("you may not %s %s: ask for this permission (%w)", verb, resource, err)
	case apierrors.IsUnauthorized(err):
		return fmt.Errorf("the API server does not know who you are: log in again (%w)", err)
	case meta.IsNoMatchError(err), apierrors.IsNotFound(err):
		return fmt.Errorf("the cluster knows no %s: is Bulwark installed there?", resource)
	case errors.As(err, &network) && network.Timeout():
		return fmt.Errorf("the API server does not answer in time: is the kubeconfig's context the right one, and the "+
			"network up? --request-timeout waits longer (%w)", err)
	case errors.As(err, &network):
		return fmt.Errorf("the API server cannot be reached: is the kubeconfig's context the right one? (%w)", err)
	}
	return fmt.Errorf("reading %s: %w", resource, err)
}

const (
	profileResource = "securityprofiles.security.bulwark.dev"
	reportResource  = "namespacepostures.security.bulwark.dev"
)

// liveProfiles are the profiles of a cluster, read by pages; or the one of this name.
func liveProfiles(ctx context.Context, cluster client.Reader, name string) ([]v1alpha1.SecurityProfile, error) {
	if name != "" {
		var profile v1alpha1.SecurityProfile
		err := cluster.Get(ctx, client.ObjectKey{Name: name}, &profile)
		if isGone(err) {
			return nil, fmt.Errorf("there is no SecurityProfile %s: kubectl posture status lists them", name)
		}
		if err != nil {
			return nil, unreadable("get", profileResource, err)
		}
		return []v1alpha1.SecurityProfile{profile}, nil
	}
	var profiles []v1alpha1.SecurityProfile
	var page v1alpha1.SecurityProfileList
	err := pages(ctx, cluster, &page, func() { profiles = append(profiles, page.Items...) })
	if err != nil {
		return nil, unreadable("list", profileResource, err)
	}
	return profiles, nil
}

// isGone reports whether an object is not there, as against the kind of it.
func isGone(err error) bool {
	return apierrors.IsNotFound(err) && !apierrors.HasStatusCause(err, metav1.CauseTypeUnexpectedServerResponse)
}

// liveNamespaces are the rows of the reports, read by pages, of which no more is kept.
func liveNamespaces(
	ctx context.Context,
	cluster client.Reader,
	profile string,
	all bool,
) ([]overview.Namespace, error) {
	var rows []overview.Namespace
	var options []client.ListOption
	if profile != "" {
		options = append(options, client.MatchingLabels{v1alpha1.ProfileLabel: profile})
	}
	var page v1alpha1.NamespacePostureList
	err := pages(ctx, cluster, &page, func() {
		for i := range page.Items {
			report := &page.Items[i]
			row := overview.NamespaceOf(report)
			wanted := report.Name == v1alpha1.PostureName && (profile == "" || profile == report.Profile)
			if wanted && (all || row.State != "Compliant") {
				rows = append(rows, row)
			}
		}
	}, options...)
	if err != nil {
		return rows, unreadable("list", reportResource, err)
	}
	return rows, nil
}

// pages reads a list page by page.
func pages(
	ctx context.Context, cluster client.Reader, page client.ObjectList, each func(), options ...client.ListOption,
) error {
	options = append(options, client.Limit(pageSize))
	for next := ""; ; {
		if err := cluster.List(ctx, page, append(options, client.Continue(next))...); err != nil {
			return err
		}
		each()
		if next = page.GetContinue(); next == "" {
			return nil
		}
	}
}
