package admission

import (
	"slices"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

const (
	everyExit   = "restartPolicyRules: [{action: Restart, exitCodes: {operator: NotIn, values: [255]}}]"
	oneExit     = "restartPolicyRules: [{action: Restart, exitCodes: {operator: In, values: [3]}}]"
	restartsAll = "restartPolicyRules: [{action: RestartAllContainers, exitCodes: {operator: In, values: [42]}}]"
	noProbe     = "requireProbesLiveness: container app must have a livenessProbe"
)

// restartScenario asks probes of containers as the kubelet restarts them, whatever the pod as a
// whole says.
var restartScenario = scenario{
	name: "restarts", spec: "workloads: {requireProbes: [Liveness]}",
	needs: needs{"1.35", "restart rules of containers (KEP-5307)"},
	held: append(heldPods(only("", "restartPolicy: Never")),
		held("Deployment", "ending", only("restartPolicy: Never")), held("Deployment", "serving", only(""))),
	cases: append(
		asEach([]string{"Pod", "Job", "CronJob"}, []testcase{
			pod(
				"a container that is always restarted in a pod that is not",
				only("restartPolicy: Always", "restartPolicy: Never"),
				noProbe,
			),
			pod("one with a probe", only("restartPolicy: Always, "+liveness, "restartPolicy: Never"), ""),
			pod(
				"one beside others",
				"containers: ["+container("job", "")+", "+container("app", "restartPolicy: Always")+"], restartPolicy: OnFailure",
				noProbe,
			),
			pod(
				"a container that a rule restarts nearly always",
				only("restartPolicy: Never, "+everyExit, "restartPolicy: Never"),
				noProbe,
			),
			pod(
				"a container that a rule restarts as it likes",
				only("restartPolicy: OnFailure, "+oneExit, "restartPolicy: OnFailure"),
				noProbe,
			),
			pod(
				"a container with such a rule and a probe",
				only("restartPolicy: Never, "+everyExit+", "+liveness, "restartPolicy: Never"),
				"",
			),
			restartingAll(pod(
				"a container that restarts all",
				only("restartPolicy: Never, "+restartsAll, "restartPolicy: Never"),
				noProbe,
			)),
			restartingAll(pod("a container that another restarts", "containers: ["+container("app", "")+", "+
				container("lead", "restartPolicy: Never, "+restartsAll+", "+liveness)+"], restartPolicy: Never", noProbe)),
			restartingAll(pod(
				"a container that an init container restarts",
				only("", initially("restartPolicy: Never, "+restartsAll), "restartPolicy: Never"),
				noProbe,
			)),
			pod(
				"a sidecar of a pod that is never restarted",
				only("", initially("restartPolicy: Always"), "restartPolicy: Never"),
				"requireProbesLiveness: container setup must have a livenessProbe",
			),
			pod(
				"an init container that a rule restarts can have none",
				only("", initially("restartPolicy: Never, "+oneExit), "restartPolicy: Never"),
				"",
			),
			pod("nothing is restarted", only("", initially(""), "restartPolicy: Never"), ""),
			pod("a container that is restarted on failure", only("restartPolicy: OnFailure", "restartPolicy: Never"), ""),
		}),
		append(
			asEach(
				slices.DeleteFunc(slices.Clone(kinds), func(kind string) bool { return kind == "Job" || kind == "CronJob" }),
				[]testcase{
					pod("a container that is not said to be", only(""), noProbe),
					pod(
						"one of two is",
						"containers: ["+container("job", "restartPolicy: Never")+", "+container("app", "")+"]",
						noProbe,
					),
					pod("a container that is never restarted in a pod that is", only("restartPolicy: Never"), ""),
					pod(
						"a container that is restarted on failure in a pod that is restarted always",
						only("restartPolicy: OnFailure"),
						"",
					),
					pod("an init container that is restarted on failure", only(liveness, initially("restartPolicy: OnFailure")), ""),
				},
			),
			testcase{sentence: "a template's container comes to be restarted", old: "Deployment ending",
				change: inPodSpec(inContainer("containers", "restartPolicy", "Always")), want: noProbe},
			testcase{sentence: "a template's container ends otherwise", old: "Deployment ending",
				change: inPodSpec(inContainer("containers", "restartPolicy", "OnFailure"))},
			testcase{sentence: "a template's container that is restarted stays so, said otherwise", old: "Deployment serving",
				change: inPodSpec(inContainer("containers", "restartPolicy", "Always"))},
		)...),
}

// restartingAll is a case with a container that restarts all of its pod.
func restartingAll(tc testcase) testcase {
	tc.needs = needs{"1.36", "the restart of all containers by one (KEP-5532)"}
	return tc
}

// asEach is each case with an object of each of these kinds.
func asEach(kinds []string, cases []testcase) []testcase {
	var all []testcase
	for _, tc := range cases {
		for _, kind := range kinds {
			one := tc
			one.sentence = kind + ": " + tc.sentence
			one.object = func(t *testing.T) *unstructured.Unstructured { return podAs(t, kind, tc.object(t)) }
			all = append(all, one)
		}
	}
	return all
}
