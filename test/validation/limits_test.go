package validation

import (
	"fmt"

	. "github.com/onsi/ginkgo/v2"
)

var _ = DescribeTable("Limits are refused for", ExpectOnlyBadRefused,
	bounds("cpu", "min", "max"), bounds("memory", "min", "max"), bounds("ephemeral-storage", "min", "max"),
	bounds("cpu", "default", "max"), bounds("memory", "default", "max"), bounds("ephemeral-storage", "default", "max"),
	bounds("cpu", "defaultRequest", "default"), bounds("memory", "defaultRequest", "default"),
	bounds("ephemeral-storage", "defaultRequest", "default"),
	bounds("cpu", "min", "defaultRequest"), bounds("memory", "min", "defaultRequest"),
	bounds("ephemeral-storage", "min", "defaultRequest"),
	// Where the bound between is not set, Kubernetes refuses the LimitRange as well.
	bounds("cpu", "defaultRequest", "max"), bounds("memory", "defaultRequest", "max"),
	bounds("ephemeral-storage", "defaultRequest", "max"),
	bounds("cpu", "min", "default"), bounds("memory", "min", "default"), bounds("ephemeral-storage", "min", "default"),
	Entry("a min above max of a claim", refusal{
		in:   selecting(`limits: [{type: PersistentVolumeClaim, min: {storage: %s}, max: {storage: 2Gi}}]`),
		good: "1500Mi", bad: "2500Mi",
		path: "spec.limits[0]", reason: "min must not be above max",
	}),
	Entry("a min above max of a pod, where the max is an integer", refusal{
		in: selecting(`limits: [{type: Pod, min: {cpu: %s}, max: {cpu: 1}}]`), good: "900m", bad: "1001m",
		path: "spec.limits[0]", reason: "min must not be above max",
	}),
	Entry("a default of a pod", refusal{
		in: selecting(`limits: [{type: %s, default: {cpu: "1"}}]`), good: "Container", bad: "Pod",
		path: "spec.limits[0]", reason: "default and defaultRequest apply to the type Container only",
	}),
	Entry("a defaultRequest of a pod", refusal{
		in: selecting(`limits: [{type: %s, defaultRequest: {cpu: "1"}}]`), good: "Container", bad: "Pod",
		path: "spec.limits[0]", reason: "default and defaultRequest apply to the type Container only",
	}),
	Entry("an unknown type", refusal{
		in:     selecting(`limits: [{type: %s, max: {cpu: "1"}}]`),
		good:   "Container",
		bad:    "InitContainer",
		path:   "spec.limits[0].type",
		reason: `Unsupported value: "InitContainer": supported values: "Container", "Pod", "PersistentVolumeClaim"`,
	}),
	Entry("a type given twice", refusal{
		in: selecting(
			`limits: [{type: Container, max: {cpu: "1"}}, {type: %s, max: {cpu: "2"}}]`,
		),
		good:   "Pod",
		bad:    "Container",
		path:   "spec.limits",
		reason: `duplicate entries for key [type="Container"]`,
	}),
	Entry("a missing type", refusal{
		in: selecting(`limits: [{%smax: {cpu: "1"}}]`), good: "type: Container, ", bad: "",
		path: "spec.limits", reason: `omits all key fields ["type"]`,
	}),
	Entry("what is no quantity", refusal{
		in: selecting(`limits: [{type: Container, max: {cpu: %s}}]`), good: `"1.5"`, bad: `"1.5 cores"`,
		path: "spec.limits[0].max.cpu", reason: "should match '^(\\+|-)?(([0-9]+",
	}),
	Entry("a decimal fraction without quotes", refusal{
		in: selecting(`limits: [{type: Container, max: {cpu: %s}}]`), good: `"1.5"`, bad: "1.5",
		path: "spec.limits[0].max.cpu", reason: "must be of type integer,string",
	}),
)

// bounds are the limits of a container in which the lower bound is above the upper one, once as
// integers and once as strings. The good values would be above the upper bound, and the bad ones
// below it, if they were compared as text.
func bounds(resource, lower, upper string) []TableEntry {
	limits := func(upperValue string) string {
		return selecting(
			fmt.Sprintf(
				`limits: [{type: Container, %s: {%s: %%s}, %s: {%s: %s}}]`,
				lower,
				resource,
				upper,
				resource,
				upperValue,
			),
		)
	}
	name := fmt.Sprintf("%s above %s of %s", lower, upper, resource)
	reason := fmt.Sprintf("%s must not be above %s", lower, upper)
	return []TableEntry{
		Entry(name+", as integers", refusal{in: limits("20"), good: "3", bad: "100", path: "spec.limits[0]", reason: reason}),
		Entry(
			name+", as strings",
			refusal{in: limits(`"2k"`), good: `"3"`, bad: `"1M"`, path: "spec.limits[0]", reason: reason},
		),
	}
}
