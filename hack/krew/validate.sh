#!/usr/bin/env bash
# Checks a Krew manifest with Krew's own validator, built from the Go module proxy: a plugin's name, its platforms, checksums and links.
#
#   hack/krew/validate.sh config/krew/posture.yaml
set -euo pipefail

manifest=$(realpath "${1:?usage: validate.sh MANIFEST}")
cd "$(dirname "${BASH_SOURCE[0]}")"
CGO_ENABLED=0 go build -o ../../bin/validate-krew-manifest sigs.k8s.io/krew/cmd/validate-krew-manifest
../../bin/validate-krew-manifest -skip-install -manifest "$manifest"
