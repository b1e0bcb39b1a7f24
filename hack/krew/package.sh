#!/usr/bin/env bash
# Packs the kubectl plugin for each platform, and writes its Krew manifest with the version and the checksums, which Krew's own validator
# then checks. PLATFORMS="linux/amd64" packs those alone; the others keep a checksum of zeros.
#
#   hack/krew/package.sh v0.1.0 bin/krew
set -euo pipefail

version=${1:?usage: package.sh VERSION FOLDER}
out=$(mkdir -p "${2:?usage: package.sh VERSION FOLDER}" && cd "$2" && pwd)
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
source=$(cd "$root" && hack/source.sh)
export CGO_ENABLED=0

manifest=$out/posture.yaml
sed "s/v0\.0\.0/$version/" "$root/config/krew/posture.yaml" > "$manifest"
for platform in ${PLATFORMS:-linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64 windows/arm64}; do
  os=${platform%/*} arch=${platform#*/} binary=kubectl-posture
  [ "$os" = windows ] && binary=kubectl-posture.exe
  folder=$(mktemp -d)
  (cd "$source" && GOOS=$os GOARCH=$arch GOFLAGS="-trimpath -buildvcs=true -mod=readonly" \
    "$root/hack/build.sh" "$platform" -ldflags "-s -w" -o "$folder/$binary" -- ./cmd/kubectl-posture)
  cp "$root/LICENSE" "$folder"
  archive=$out/kubectl-posture-$os-$arch.tar.gz
  tar -C "$folder" --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner --mode=u=rwX,go=rX -c LICENSE "$binary" | gzip -n > "$archive"
  rm -r "$folder"
  sum=$(sha256sum "$archive" | cut -d ' ' -f 1)
  awk -v name="kubectl-posture-$os-$arch.tar.gz" -v sum="$sum" '
    index($0, name) { found = 1 }
    found && /sha256:/ { sub(/"[0-9a-f]*"/, "\"" sum "\""); found = 0 }
    { print }' "$manifest" > "$manifest.partial" && mv "$manifest.partial" "$manifest"
done
"$root/hack/krew/validate.sh" "$manifest"
