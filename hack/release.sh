#!/usr/bin/env bash
# Builds all that a release consists of into a folder, with checksums. The same commit gives the same bytes.
#
#   hack/release.sh v0.2.0 bin/release
#
#   REPOSITORY   where the image will be pushed, which install.yaml names: ghcr.io/bulwark-dev/bulwark
#   REHEARSAL=1  goes on though the tree has changes, the commit has no such tag, or the changelog no such section
#   KUBECTL      the kubectl that renders config/
set -euo pipefail
export LC_ALL=C

version=${1:?usage: release.sh VERSION FOLDER}
hack=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$(git rev-parse --show-toplevel)"

fail() { echo "no release: $*" >&2; exit 1; }
unready() { [ -n "${REHEARSAL:-}" ] && echo "a rehearsal, though $*" >&2 || fail "$*"; }

number='(0|[1-9][0-9]*)'
[[ $version =~ ^v$number\.$number\.$number(-[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?$ ]] || fail "$version is no version as v1.2.3 or v1.2.3-rc.1"
[ -z "$(git status --porcelain)" ] || unready "there are changes that are in no commit"
git tag --points-at HEAD | grep -qxF "$version" || unready "the commit does not have the tag $version"
grep -qF "## [${version#v}] " docs/CHANGELOG.md || unready "docs/CHANGELOG.md has no section [${version#v}]"

out=${2:?usage: release.sh VERSION FOLDER}
[ ! -e "$out" ] || [ -e "$out/SHA256SUMS" ] || fail "$out is there, and holds no release that could be replaced"
rm -rf "$out" && mkdir -p "$out" && touch "$out/SHA256SUMS"
out=$(cd "$out" && pwd)
repository=${REPOSITORY:-ghcr.io/bulwark-dev/bulwark}

"$hack/krew/package.sh" "$version" "$out"
[ -n "${REHEARSAL:-}" ] || export WANT_VERSION=$version
IMG=$repository:$version "$hack/image/build.sh" bin/image
digest=$(cat bin/image/digest)
cp bin/image/*.tar bin/image/*.json "$out"

overlay=bin/install
mkdir -p "$overlay"
cat > "$overlay/kustomization.yaml" <<EOF
resources: [../../config/default]
images: [{name: bulwark, newName: $repository, digest: "$digest"}]
EOF
"${KUBECTL:-kubectl}" kustomize "$overlay" > "$out/install.yaml"
"${KUBECTL:-kubectl}" kustomize config/crd > "$out/crds.yaml"
bin/helm package config/chart --version "${version#v}" --app-version "$version" -d "$out" >/dev/null

sums=$(cd "$out" && rm SHA256SUMS && sha256sum -- *)
echo "$sums" > "$out/SHA256SUMS"
echo "release  $version in $out, whose image is $repository@$digest"
