package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
)

// selecting is the label by which the profiles of the story select namespaces.
const selecting = "governed-by"

// tenants is how many namespaces each of the four profiles has.
const tenants = 10

// ways are those in which a profile is synced: both kinds of apply, with both kinds of diff.
var ways = []application{
	{name: "client-legacy"},
	{name: "client-dryrun", serverSideDiff: true},
	{name: "server-merge", syncOptions: []string{"ServerSideApply=true"}},
	{name: "server-dryrun", syncOptions: []string{"ServerSideApply=true"}, serverSideDiff: true},
}

var wayNames = map[string]string{
	"client-legacy": "client-side apply, three-way diff",
	"client-dryrun": "client-side apply, ServerSideDiff=true",
	"server-merge":  "ServerSideApply=true, structured-merge diff",
	"server-dryrun": "ServerSideApply=true and ServerSideDiff=true",
}

// profile is a profile that has a part of every kind.
func profile(name, more string) string {
	return fmt.Sprintf(`apiVersion: security.bulwark.dev/v1alpha1
kind: SecurityProfile
metadata: {name: %[1]s}
spec:
  priority: 10
  namespaceSelector: {matchLabels: {%[2]s: %[1]s}}
  podSecurity: {enforce: baseline, warn: restricted, version: v1.37}
  network: {defaultDeny: [Ingress, Egress], allowDNS: {}, allowSameNamespace: {}}
  limits:
  - {type: Container, default: {cpu: 500m, memory: 512Mi}, defaultRequest: {cpu: "0.1", memory: 128Mi}}
  quotas:
  - {name: compute, spec: {hard: {pods: "50", requests.cpu: "4000m", count/secrets: 20}}}
  rbac:
    roles:
    - name: developer
      rules: [{apiGroups: [""], resources: [pods, pods/log], verbs: [get, list, watch]}]
      subjects: [{kind: Group, name: developers}]
    serviceAccounts: [{name: app}]
    defaultServiceAccount: {}
%[3]s`, name, selecting, more)
}

// namespace makes a namespace that this profile selects.
func (c *cluster) namespace(ctx context.Context, name, profile string) error {
	n := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{selecting: profile}}}
	return client.IgnoreAlreadyExists(c.client.Create(ctx, n))
}

// syncsProfilesInFourWays syncs a profile in each way.
func syncsProfilesInFourWays(ctx context.Context, s *stage) error {
	s.title("Profiles, synced in four ways")
	for _, a := range ways {
		for i := range tenants {
			if err := s.namespace(ctx, fmt.Sprintf("%s-%d", a.name, i), a.name); err != nil {
				return err
			}
		}
		if err := s.repo.write("ways/"+a.name+"/profile.yaml", profile(a.name, "")); err != nil {
			return err
		}
	}
	if err := s.commit(ctx, "Profiles"); err != nil {
		return err
	}
	for _, a := range ways {
		a.path, a.namespace = "ways/"+a.name, "default"
		if err := s.create(ctx, a); err != nil {
			return err
		}
	}
	for _, a := range ways {
		seen, good := s.settled(ctx, a.name)
		governed := s.until(ctx, func() bool { return s.ready(ctx, a.name) == tenants })
		s.table.add("a profile: "+wayNames[a.name],
			fmt.Sprintf("Synced, Healthy; %d namespaces have the baseline", tenants),
			fmt.Sprintf("%s; %d have", seen, s.ready(ctx, a.name)), good && governed)
	}
	return nil
}

// kinds are those of a baseline that are objects of their own, and the report.
var kinds = []schema.GroupVersionKind{
	{Group: "networking.k8s.io", Version: "v1", Kind: "NetworkPolicy"},
	{Version: "v1", Kind: "LimitRange"},
	{Version: "v1", Kind: "ResourceQuota"},
	{Version: "v1", Kind: "ServiceAccount"},
	{Group: "rbac.authorization.k8s.io", Version: "v1", Kind: "Role"},
	{Group: "rbac.authorization.k8s.io", Version: "v1", Kind: "RoleBinding"},
}

// baseline are the objects that Bulwark made and holds, in all namespaces.
func (c *cluster) baseline(ctx context.Context) []unstructured.Unstructured {
	return c.list(ctx, client.MatchingLabels{v1alpha1.ManagedByLabel: v1alpha1.ManagedBy})
}

// named are the objects of a namespace that Bulwark once made, also those that it holds no more.
func (c *cluster) named(ctx context.Context, namespace string) []unstructured.Unstructured {
	return slices.DeleteFunc(c.list(ctx, client.InNamespace(namespace)), func(o unstructured.Unstructured) bool {
		return !strings.HasPrefix(o.GetName(), v1alpha1.NamePrefix)
	})
}

func (c *cluster) list(ctx context.Context, options ...client.ListOption) []unstructured.Unstructured {
	var all []unstructured.Unstructured
	for _, kind := range kinds {
		var list unstructured.UnstructuredList
		list.SetGroupVersionKind(kind)
		_ = c.client.List(ctx, &list, options...) // Who asks polls.
		all = append(all, list.Items...)
	}
	return all
}

// ready is how many namespaces have the profile's whole baseline.
func (c *cluster) ready(ctx context.Context, profile string) (ready int) {
	var reports v1alpha1.NamespacePostureList
	_ = c.client.List(ctx, &reports) // Who asks polls.
	for _, report := range reports.Items {
		if report.Profile == profile && meta.IsStatusConditionTrue(report.Status.Conditions, v1alpha1.ConditionReady) {
			ready++
		}
	}
	return ready
}

// guarded waits until the API server acts on the profile's policies, a second or two after they were
// written.
func (c *cluster) guarded(ctx context.Context, profile string) error {
	const condition = "--for=condition=AdmissionReady"
	err := c.kubectl(ctx, "", "wait", condition, "securityprofile/"+profile, "--timeout=120s")
	c.rest(ctx, 3*time.Second)
	return err
}
