// What Argo CD makes of a profile, by the health checks of config/argocd in the Lua that Argo CD runs. A module of its own, so that Lua
// never enters the operator's build.
module github.com/bulwark-dev/bulwark/test/argocd

go 1.26.8

require (
	github.com/google/go-cmp v0.7.0
	github.com/yuin/gopher-lua v1.1.2
	sigs.k8s.io/yaml v1.6.0
)

require go.yaml.in/yaml/v2 v2.4.4 // indirect
