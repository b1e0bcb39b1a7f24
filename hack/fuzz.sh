#!/bin/sh
# Runs every fuzz target of the repository, one after the other, each for the given time. It ends with the first that fails, whose input
# is then in testdata/fuzz beside the target: add it to the target's seeds, as the test of the fix.
set -eu
time=${1:?for how long is each target to run, such as 30s}
cd "$(dirname "$0")/.."

for package in $(git ls-files -co --exclude-standard '*_fuzz_test.go' | xargs -n1 dirname | sort -u); do
	listed=$(go test -list '^Fuzz' "./$package") # On a line of its own: a package that does not compile ends the run.
	for target in $(echo "$listed" | grep '^Fuzz'); do
		echo "fuzzing $target in $package for $time"
		# Minimizing what is merely interesting would take most of the time.
		go test -run '^$' -fuzz "^$target\$" -fuzztime "$time" -fuzzminimizetime 2s ${FUZZPARALLEL:+-parallel "$FUZZPARALLEL"} "./$package"
	done
done
