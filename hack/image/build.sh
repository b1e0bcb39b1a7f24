#!/usr/bin/env bash
# Builds the operator for each platform, static and stripped, and packs it as a container image into a
# folder. Docker is not needed.
#
#   hack/image/build.sh bin/image
#
#   IMAGE_PLATFORMS    linux/amd64 linux/arm64, or one of them
#   IMG                the name that an image store gives the image: bulwark:v0.1.0
#   WANT_VERSION       fails unless the commit is of this version
#   SOURCE             a folder of the repository that is built, if it is not this one
#   SOURCE_DATE_EPOCH  the time that everything in the image bears, if it is not the commit's
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
out=$(mkdir -p "${1:?usage: build.sh FOLDER}" && cd "$1" && pwd)
source=$(cd "${SOURCE:-$root}" && "$root/hack/source.sh")
build=$root/hack/build.sh
export CGO_ENABLED=0 GOWORK=off

(cd "$root/hack/image" && "$build" "the packer" -o "$root/bin/image-packer" -- .)

# Whatever changes the binary is set here, so that it is the same wherever it is built.
binaries=()
for platform in ${IMAGE_PLATFORMS:-linux/amd64 linux/arm64}; do
  binary=$out/build/${platform//\//-}/manager
  (cd "$source" && GOOS=${platform%/*} GOARCH=${platform#*/} GOAMD64=v1 GOARM64=v8.0 GOEXPERIMENT='' GOFIPS140=off \
    GOFLAGS="-trimpath -buildvcs=true -mod=readonly" "$build" "$platform" -ldflags "-s -w" -o "$binary" \
    -- ./cmd/manager)
  binaries+=("$binary")
done

read -r modcache goroot < <(cd "$source" && go env GOMODCACHE GOROOT | paste -sd ' ')
"$root/bin/image-packer" pack -out "$out" -name "${IMG:-bulwark:v0.1.0}" -version "${WANT_VERSION:-}" \
  -root "$source" -modcache "$modcache" -goroot "$goroot" "${binaries[@]}"
rm -r "$out/build"
