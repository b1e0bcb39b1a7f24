#!/usr/bin/env bash
# k8s.io/component-helpers v0.37.2, resource.PodRequests: to ask what a pod requests can change the pod.
#
# A pod that requests memory for all of its containers together (spec.resources, KEP-2837) and has an overhead (spec.overhead) is
# charged the sum of both. PodRequests takes the quantities of spec.resources as they are and adds the overhead to them. For a
# small quantity that changes nothing of the pod. A large one, such as 12Pi, is held by a pointer to a decimal (inf.Dec), which the
# copy shares: so the overhead is added to the pod itself, and once more with each further call.
#
# Who holds pods in a cache, as a controller that sums usage does, sees the pod grow each time it asks. Copy the pod first.
#
# Seen, memory of the pod after one, two and three calls, with an overhead of 120Mi:
#   64Mi: 64Mi 64Mi 64Mi
#   12Pi: 12884902008Mi 12884902128Mi 12884902248Mi      (12Pi is 12884901888Mi)
set -euo pipefail
version=v0.37.2
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
cat >go.mod <<MOD
module finding
go 1.26
require (
	k8s.io/api $version
	k8s.io/apimachinery $version
	k8s.io/component-helpers $version
)
MOD
cat >main.go <<'GO'
package main

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	quantity "k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/component-helpers/resource"
)

func main() {
	for _, memory := range []string{"64Mi", "12Pi"} {
		pod := &corev1.Pod{Spec: corev1.PodSpec{
			Containers: []corev1.Container{{Name: "app"}},
			Overhead:   corev1.ResourceList{corev1.ResourceMemory: quantity.MustParse("120Mi")},
			Resources: &corev1.ResourceRequirements{
				Requests: corev1.ResourceList{corev1.ResourceMemory: quantity.MustParse(memory)},
			},
		}}
		fmt.Print(memory + ":")
		for range 3 {
			resource.PodRequests(pod, resource.PodResourcesOptions{})
			fmt.Print(" ", pod.Spec.Resources.Requests.Memory())
		}
		fmt.Println()
	}
}
GO
export GOFLAGS=-mod=mod
echo "building against k8s.io/component-helpers $version (half a minute the first time)"
got=$(go run . 2>"$dir/stderr") || { cat "$dir/stderr"; exit 1; }
want='64Mi: 64Mi 64Mi 64Mi
12Pi: 12884902008Mi 12884902128Mi 12884902248Mi'
echo "$got"
[ "$got" = "$want" ] || { echo "it behaves in another way by now; expected:"; echo "$want"; exit 1; }
echo "as described: version $version"
