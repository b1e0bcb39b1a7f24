// Package rbac holds the permissions of the operator as they are installed, for those who install
// them in the API server of a test.
package rbac

import "embed"

// Manifests are the files that kustomization.yaml lists.
//
//go:embed service_account.yaml role.yaml role_binding.yaml grantable.yaml user_roles.yaml
var Manifests embed.FS
