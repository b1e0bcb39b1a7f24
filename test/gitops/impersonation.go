package main

import (
	"context"
	"strings"
)

// securityProject is the AppProject of docs/gitops.md, and the ServiceAccount that it names.
const securityProject = `apiVersion: argoproj.io/v1alpha1
kind: AppProject
metadata: {name: security, namespace: argocd}
spec:
  sourceRepos: ["*"]
  destinations: [{server: https://kubernetes.default.svc, namespace: "*"}]
  clusterResourceWhitelist: [{group: security.bulwark.dev, kind: SecurityProfile}]
  namespaceResourceBlacklist: [{group: "*", kind: "*"}]
  destinationServiceAccounts:
  - {server: https://kubernetes.default.svc, namespace: "*", defaultServiceAccount: "security:profiles"}
---
apiVersion: v1
kind: Namespace
metadata: {name: security}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: profiles, namespace: security}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: security-profiles}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: bulwark-profile-editor}
subjects: [{kind: ServiceAccount, name: profiles, namespace: security}]
`

// impersonates syncs as the ServiceAccount that a project names.
func impersonates(ctx context.Context, s *stage) error {
	s.title("Argo CD impersonates")
	if err := s.apply(ctx, securityProject); err != nil {
		return err
	}
	if err := configure(ctx, s, "application.sync.impersonation.enabled", "true"); err != nil {
		return err
	}
	for _, name := range []string{"impersonated", "nobody"} {
		if err := leaves(ctx, s, name, name, "Delete"); err != nil {
			return err
		}
	}
	if err := s.commit(ctx, "Profiles of a project"); err != nil {
		return err
	}
	a := application{name: "impersonated", path: "impersonated", namespace: "default", project: "security"}
	if err := s.create(ctx, a); err != nil {
		return err
	}
	seen, good := s.settled(ctx, a.name)
	s.table.add("impersonation: the project security, whose service account has bulwark-profile-editor alone",
		"Synced, Healthy", seen, good)
	if err := s.create(ctx, application{name: "nobody", path: "nobody", namespace: "default"}); err != nil {
		return err
	}
	refused := s.until(ctx, func() bool { return strings.Contains(s.shown(ctx, "nobody"), "service account") })
	s.table.add("impersonation: a project that names no service account", "the sync fails",
		s.shown(ctx, "nobody"), refused)
	return nil
}
