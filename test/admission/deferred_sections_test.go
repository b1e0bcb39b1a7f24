package admission

import (
	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	bulwark "github.com/bulwark-dev/bulwark/internal/admission"
)

const (
	registriesBefore = `{"allowedRegistries":["ghcr.io","quay.io"]}`
	guardedSections  = "the labels security.bulwark.dev/workloads and security.bulwark.dev/images of a namespace, by which rules for pods wait, are set by Bulwark alone"
)

// waitingScenarios are about namespaces in which sections of rules for pods wait, or are said to.
var waitingScenarios = []scenario{
	{
		name:    "waiting",
		spec:    "rollout: WhenSafe, workloads: {readOnlyRootFilesystem: Require}, images: {allowedRegistries: [ghcr.io]}",
		inForce: registriesBefore,
		others: map[string]string{
			"waiting-enforced":  v1alpha1.WorkloadsLabel + "=" + bulwark.Enforced,
			"waiting-workloads": v1alpha1.WorkloadsLabel + "=" + bulwark.Waits("waiting", ""),
			"waiting-images":    v1alpha1.ImagesLabel + "=" + bulwark.Waits("waiting", ""),
			"waiting-held":      v1alpha1.ImagesLabel + "=" + bulwark.Waits("waiting", registriesBefore),
			"waiting-forged":    v1alpha1.WorkloadsLabel + "=" + bulwark.Waits("waiting-of-another", ""),
		},
		cases: []testcase{
			pod("where nothing is said", only(image("ghcr.io/x")), rootWritable),
			waitingPod("where it is said that they are enforced", "waiting-enforced", only(image("ghcr.io/x")), rootWritable),
			waitingPod("where another profile's wait", "waiting-forged", only(image("ghcr.io/x")), rootWritable),
			waitingPod("where the rules for workloads wait", "waiting-workloads", only(image("ghcr.io/x")), rootWritable),
			waitingPod(
				"where the rules for workloads wait, of an image that may not be",
				"waiting-workloads",
				only(image("x")),
				"allowedRegistries: container app",
			),
			waitingPod(
				"where those for images wait",
				"waiting-images",
				only(image("x")+", "+own("readOnlyRootFilesystem: true")),
				"allowedRegistries: container app",
			),
			waitingPod(
				"where others for images are in force, of one that may be",
				"waiting-held",
				only(
					image("quay.io/x")+", "+own("readOnlyRootFilesystem: true"),
				),
				"allowedRegistries: container app must have an image from ghcr.io (",
			),
			waitingPod(
				"where others for images are in force, of one that may not",
				"waiting-held",
				only(
					image("docker.io/x")+", "+own("readOnlyRootFilesystem: true"),
				),
				"allowedRegistries: container app must have an image from ghcr.io, quay.io (",
			),
			waitingPod(
				"where others for images are in force, of one that keeps both",
				"waiting-held",
				only(image("ghcr.io/x")+", "+own("readOnlyRootFilesystem: true")),
				"",
			),
		},
	},
	{
		name: "waiting-audit", spec: "enforcement: Audit, rollout: WhenSafe, workloads: {readOnlyRootFilesystem: Require}",
		cases: []testcase{pod("a pod", only(""), rootWritable)},
	},
	{
		name: "guarded-sections",
		spec: "rollout: WhenSafe, workloads: {hostNetwork: Forbid}, protection: {tamper: Forbid, breakGlassGroups: [" + responders + "]}",
		cases: []testcase{
			pod("a pod", only("", "hostNetwork: true"), inHostNet),
			{
				sentence: "a section is said to wait",
				old:      "Namespace guarded-sections",
				change:   labelling(v1alpha1.WorkloadsLabel, bulwark.Waits("guarded-sections", "")),
				want:     guardedSections,
			},
			{
				sentence: "a section is said to wait that there is not",
				old:      "Namespace guarded-sections",
				change:   labelling(v1alpha1.ImagesLabel, bulwark.Waits("guarded-sections", "")),
			},
			{
				sentence: "a namespace is made where a section waits",
				want:     guardedSections,
				object: manifest(
					namespaceWith(
						"guarded-made",
						"suite: guarded-sections",
						v1alpha1.WorkloadsLabel+": "+bulwark.Waits("guarded-sections", ""),
					),
				),
			},
			{
				sentence: "a namespace is made where a section denies",
				object: manifest(
					namespaceWith("guarded-made", "suite: guarded-sections", v1alpha1.WorkloadsLabel+": "+bulwark.Enforced),
				),
			},
			{
				sentence: "a namespace of another profile is made where a section waits",
				object: manifest(
					namespaceWith(
						"guarded-made",
						"suite: another",
						v1alpha1.WorkloadsLabel+": "+bulwark.Waits("guarded-sections", ""),
					),
				),
			},
			{
				sentence: "a responder makes a namespace where a section waits",
				by:       responder,
				object: manifest(
					namespaceWith(
						"guarded-made",
						"suite: guarded-sections",
						v1alpha1.WorkloadsLabel+": "+bulwark.Waits("guarded-sections", ""),
					),
				),
			},
			{sentence: "another label", old: "Namespace guarded-sections", change: labelling("a", "b")},
			{
				sentence: "Bulwark says it",
				old:      "Namespace guarded-sections",
				change:   labelling(v1alpha1.WorkloadsLabel, bulwark.Enforced),
				by:       operatorUser,
			},
			{
				sentence: "a responder says it",
				old:      "Namespace guarded-sections",
				change:   labelling(v1alpha1.WorkloadsLabel, bulwark.Enforced),
				by:       responder,
			},
		},
	},
}

func waitingPod(sentence, namespace, podSpec, want string) testcase {
	tc := pod(sentence, podSpec, want)
	tc.namespace = namespace
	return tc
}
