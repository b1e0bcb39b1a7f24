#!/usr/bin/env bash
# Prints a folder in which `go build -buildvcs=true` stamps the commit of the current folder's repository. That is the repository itself;
# or, since Go stamps nothing in a git worktree (go.dev/issue/58218), a clone of it in bin/source, with the changes that are in no commit.
#
#   source=$(hack/source.sh)
set -euo pipefail

root=$(git rev-parse --show-toplevel)
if [ -d "$root/.git" ]; then echo "$root" && exit; fi

clone=$root/bin/source
rm -rf "$clone"
git clone --quiet --shared --no-checkout "$root" "$clone"
git -C "$clone" checkout --quiet --detach "$(git -C "$root" rev-parse HEAD)"
git -C "$root" -c diff.noprefix=false diff --no-ext-diff --no-color --binary HEAD | git -C "$clone" apply --allow-empty
(cd "$root" && git ls-files -z --others --exclude-standard | xargs -0 --no-run-if-empty cp --parents --target-directory="$clone")
echo "$clone"
