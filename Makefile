# Bulwark. `make help` lists the targets.

KUBERNETES_VERSION := v1.37.2
IMG ?= bulwark:v0.1.0

# Where the control plane's binaries are, and kubectl with them. KUBEBUILDER_ASSETS overrides.
ASSETS  := $(or $(KUBEBUILDER_ASSETS),$(CURDIR)/bin/k8s/$(KUBERNETES_VERSION))
KUBECTL ?= $(ASSETS)/kubectl

# The same for every build and test, so that Go's cache holds what they share.
export CGO_ENABLED ?= 0
BUILD := hack/build.sh

CONTROLLER_GEN := go tool controller-gen
GOLANGCI_LINT  := go tool -modfile=hack/tools/go.mod golangci-lint

.DEFAULT_GOAL := help

.PHONY: help
help: ## List the targets.
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  %-14s %s\n", $$1, $$2} /^## / {printf "\n%s\n", substr($$0, 4)}' $(MAKEFILE_LIST)

## See it work

.PHONY: demo
demo: build controlplane ## Show Bulwark at work on a control plane of its own. DEMO=once ends by itself.
	@$(BUILD) bin/demo -o bin/demo -- ./hack/demo
	@DEMO=$(DEMO) bin/demo

.PHONY: controlplane
controlplane: ## Build etcd, kube-apiserver, kube-controller-manager and kubectl, unless they are there (5 minutes, once).
ifndef KUBEBUILDER_ASSETS
	@hack/controlplane/build.sh $(ASSETS)
endif

## Develop

.PHONY: build
build: ## Build the operator and the kubectl plugin into bin/.
	@$(BUILD) bin/manager -o bin/manager -- ./cmd/manager
	@$(BUILD) bin/kubectl-posture -o bin/kubectl-posture -- ./cmd/kubectl-posture

.PHONY: test
test: controlplane build ## Run every test, the suites on a real control plane included (about 12 minutes, once built).
	@$(BUILD) "what the tests import" -- \
		$$(go list -deps -test -f '{{if and .GoFiles (not (or .ForTest (eq .Name "main")))}}{{.ImportPath}}{{end}}' ./...)
	@KUBEBUILDER_ASSETS=$(ASSETS) hack/test.sh

.PHONY: test-unit
test-unit: ## Run the tests that start no control plane (half a minute, once built).
	@hack/test.sh units

.PHONY: compat
compat: controlplane build ## Run integration, attack, admission and fixpoint on KUBERNETES_VERSION=v1.34.4, v1.35.4, v1.36.3 or v1.37.2 (17 minutes, and 10 to build its control plane, once).
	@KUBEBUILDER_ASSETS=$(ASSETS) hack/compat.sh $(KUBERNETES_VERSION)

FUZZTIME ?= 30s

.PHONY: race
race: controlplane build ## Run every test with the race detector, also in the operator of the chaos suite (about 20 minutes).
	@echo "running the tests with the race detector; its own build takes 3 minutes the first time"
	CGO_ENABLED=1 CHAOS_RACE=1 go test -race ./... -count=1 -timeout 90m

.PHONY: fuzz
fuzz: ## Fuzz every fuzz target, one after the other, each for FUZZTIME (30s).
	@hack/fuzz.sh $(FUZZTIME)

.PHONY: bench
bench: controlplane build peers ## Measure against a bare client, with up to 10,000 namespaces (about an hour). BENCH_ARGS=-only=drift and the like.
	@$(BUILD) bin/bench -o bin/bench -- ./test/bench
	@bin/bench $(BENCH_ARGS)

.PHONY: peers
peers: ## Build what kubectl posture is measured against: Kyverno's CLI and kube-score (20 minutes, once).
	@hack/peers.sh bin/peers

.PHONY: chaos
chaos: controlplane ## Let everything fail and hold the cluster against a model. CHAOS_MINUTES=5, CHAOS_SEED, CHAOS_RACE=1.
	CHAOS_MINUTES=$(or $(CHAOS_MINUTES),5) go test ./test/chaos -count=1 -v -timeout 24h

.PHONY: upgrade-test
upgrade-test: controlplane build ## Upgrade from the commit FROM (5e9717c) to this tree and go back, each instant watched (3 minutes, once built).
	@hack/upgrade.sh $(or $(FROM),5e9717c)

.PHONY: generate
generate: ## Generate deep copies, CRDs and RBAC from the types and markers, and the parts of the chart that config holds already.
	$(CONTROLLER_GEN) object paths=./api/...
	go run ./hack/crdgen ./api/... config/crd/bases
	$(CONTROLLER_GEN) rbac:roleName=bulwark-manager paths=./controllers/... output:rbac:dir=config/rbac
	go run ./hack/chartgen config config/chart

.PHONY: verify
verify: generate ## Check that what is generated and the module files are up to date, and that everything is formatted.
	go mod tidy -diff
	cd hack/controlplane && go mod tidy -diff
	hack/controlplane/versions.sh
	cd hack/controlplane && for pinned in v1.*.mod; do go mod tidy -modfile=$$pinned -diff || exit 1; done
	cd hack/tools && go mod tidy -diff
	cd hack/promtool && go mod tidy -diff
	cd hack/helm && go mod tidy -diff
	cd hack/olm && go mod tidy -diff
	cd hack/krew && go mod tidy -diff
	cd hack/image && go mod tidy -diff
	cd hack/argocd && go mod tidy -diff
	cd hack/node/kubernetes && go mod tidy -diff
	cd hack/node/runtime && go mod tidy -diff
	cd hack/node/network && go mod tidy -diff
	hack/krew/validate.sh config/krew/posture.yaml
	cd hack/peers/kube-score && go mod tidy -diff
	cd hack/peers/kyverno && go mod tidy -diff
	cd test/oracle && go mod tidy -diff
	cd test/argocd && go mod tidy -diff
	cd test/posturetest/example && go mod tidy -diff
	cd test/grafana && go mod tidy -diff
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { gofmt -l $$(git ls-files '*.go'); echo "not formatted: run gofmt -w"; exit 1; }
	@git diff --exit-code -- api config || { echo "generated files were not up to date: commit what make generate made"; exit 1; }

.PHONY: lint
lint: ## Lint with golangci-lint, pinned in hack/tools (its own build takes 3 minutes, once).
	$(GOLANGCI_LINT) run ./...

.PHONY: alerts
alerts: ## Check the alerts and the dashboard's queries and test what they say, with promtool (its own build takes 2 minutes, once).
	@cd hack/promtool && ../../$(BUILD) bin/promtool -tags remove_all_sd -ldflags "-s -w" -o $(CURDIR)/bin/promtool -- \
		github.com/prometheus/prometheus/cmd/promtool
	@go run ./hack/rules config/prometheus/prometheusrule.yaml > bin/alerts.rules.yaml
	@go run ./hack/rules config/grafana/bulwark.json > bin/dashboard.rules.yaml
	@bin/promtool check rules bin/alerts.rules.yaml bin/dashboard.rules.yaml
	@bin/promtool test rules config/prometheus/tests/*.yaml config/grafana/tests/*.yaml

.PHONY: helm
helm: ## Build Helm, which make chart tests the chart with (2 minutes, once).
	@cd hack/helm && ../../$(BUILD) bin/helm -ldflags "-s -w" -o $(CURDIR)/bin/helm -- helm.sh/helm/v4/cmd/helm

.PHONY: chart
chart: controlplane helm ## Hold the Helm chart against config/default, and install, upgrade and uninstall it on a control plane.
	go test ./test/chart -count=1
	@bin/helm package config/chart -d bin

.PHONY: argocd
argocd: controlplane build helm ## Let a real Argo CD sync Bulwark and profiles, and write what is seen into docs/gitops.md (15 minutes; its own build 9, once).
	@KUBEBUILDER_ASSETS=$(ASSETS) hack/argocd/run.sh -docs=docs/gitops.md $(ARGOCD_ARGS)

.PHONY: bundle
bundle: ## Write the bundle for the Operator Lifecycle Manager into bin/olm, and have OLM's validators judge it (2 minutes, once).
	@cd hack/olm && go run . ../../config ../../bin/olm

VERSION ?= v0.1.0

.PHONY: krew
krew: ## Pack the kubectl plugin for each platform with its Krew manifest, checked by Krew's validator, into bin/krew. VERSION=v0.1.0.
	@hack/krew/package.sh $(VERSION) bin/krew

IMAGE_PLATFORMS ?= linux/amd64 linux/arm64

.PHONY: image
image: ## Build the operator's image, IMG, without Docker: an OCI layout and archives in bin/image. IMAGE_PLATFORMS=linux/amd64 is one platform.
	@IMG=$(IMG) IMAGE_PLATFORMS="$(IMAGE_PLATFORMS)" hack/image/build.sh bin/image

.PHONY: image-push
image-push: ## Push what make image built to the registry that IMG names, with its SBOMs and provenance.
	@bin/image-packer push -from bin/image -to $(IMG)

.PHONY: release
release: controlplane helm ## Build all that a release consists of into bin/release, with checksums. VERSION must be the commit's tag.
	@KUBECTL=$(KUBECTL) hack/release.sh $(VERSION) bin/release

.PHONY: node
node: ## Run the operator as pods on a real node, with real packets (root, Linux; 10 minutes). INSTALL=chart.
	@! hack/node/possible.sh || $(MAKE) --no-print-directory node-with-table

.PHONY: node-with-table
node-with-table: controlplane $(if $(filter chart,$(INSTALL)),helm)
	@hack/node/build.sh bin/node
	@IMG=bulwark:v0.1.0 IMAGE_PLATFORMS=linux/$$(go env GOARCH) hack/image/build.sh bin/node/image
	@$(BUILD) "what the suite imports" -- ./test/framework/controlplane
	@go test -c -o bin/e2e.test ./test/e2e
	@E2E_INSTALL=$(INSTALL) E2E_TABLE=$(CURDIR)/bin/node/table$(INSTALL:%=-%).md KEEP=$(KEEP) KUBEBUILDER_ASSETS=$(ASSETS) \
		hack/node/run.sh bin/e2e.test -test.timeout 30m

.PHONY: e2e
e2e: controlplane ## Hold real packets against policies on the cluster of KUBECONFIG, after make deploy (5 minutes).
	@E2E_KUBECONFIG=$${KUBECONFIG:?names no cluster} E2E_INSTALL=none E2E_IMAGE=$(or $(E2E_IMAGE),busybox:1) \
		E2E_TABLE=$(CURDIR)/bin/e2e.md KUBEBUILDER_ASSETS=$(ASSETS) go test ./test/e2e -count=1 -v -timeout 30m

.PHONY: parity
parity: controlplane ## Hold kubectl posture check against a real API server in 8,500 cases, and write the figures into docs/parity.md (6 minutes).
	PARITY_CASES=2000 PARITY_FIGURES=$(CURDIR)/docs/parity.md go test ./test/parity -count=1 -timeout 60m

.PHONY: run
run: build ## Run the operator against the cluster of the current kubeconfig, as its user.
	bin/manager --leader-elect=false --metrics-bind-address=0 --health-probe-bind-address=127.0.0.1:8081 --log-format=text

## Use on a cluster (the one of the current kubeconfig)

.PHONY: install
install: controlplane ## Install the CRDs.
	$(KUBECTL) apply --server-side -k config/crd

.PHONY: uninstall
uninstall: controlplane ## Delete the profiles, then the CRDs. The operator must still be running.
	@if $(KUBECTL) get crd securityprofiles.security.bulwark.dev >/dev/null 2>&1; then \
		$(KUBECTL) delete securityprofiles --all --timeout=5m; fi
	$(KUBECTL) delete -k config/crd --ignore-not-found

.PHONY: docker-build
docker-build: ## Build the operator's image, IMG.
	docker build -t $(IMG) .

.PHONY: deploy
deploy: controlplane ## Install everything, with the image IMG.
	$(KUBECTL) kustomize config/default | sed 's#image: bulwark:.*#image: $(IMG)#' | $(KUBECTL) apply --server-side -f -

.PHONY: undeploy
undeploy: uninstall ## Delete the profiles, wait until their baselines are gone, then delete everything.
	$(KUBECTL) delete -k config/manager --ignore-not-found
	$(KUBECTL) delete -k config/rbac --ignore-not-found
