package workloads

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"

	"sigs.k8s.io/yaml"
)

// Change is a workload as it is, and as somebody wants it to become.
type Change struct{ Before, After string }

// Changes are so many changes of workloads, the same each time. Nothing runs of what they are:
// replicas are none, and jobs are suspended. One in four changes nothing but a label, and each
// other one what rules ask about. Of a pod the image alone can be changed, and of a Job nothing.
func Changes(n int) []Change {
	r := rand.New(rand.NewPCG(3, 17))
	all := make([]Change, n)
	for i := range all {
		before := workload(r, i)
		atRest(before)
		after := copied(before)
		set(after["metadata"].(object), "labels", object{"changed": "true"})
		if r.IntN(4) > 0 {
			change(r, after)
		}
		all[i] = Change{Before: text(before), After: text(after)}
	}
	return all
}

func text(o object) string {
	text, err := yaml.Marshal(o)
	if err != nil {
		panic(err) // It is made of what YAML has.
	}
	return string(text)
}

func copied(o object) object {
	text, err := json.Marshal(o)
	if err != nil {
		panic(err) // The same.
	}
	var another object
	if err := json.Unmarshal(text, &another); err != nil {
		panic(err)
	}
	return another
}

// atRest has a workload run nothing.
func atRest(o object) {
	switch spec := o["spec"].(object); o["kind"] {
	case "Deployment", "StatefulSet", "ReplicaSet":
		spec["replicas"] = 0
	case "Job", "CronJob":
		spec["suspend"] = true
	}
}

// change changes a field of a workload that a rule asks about.
func change(r *rand.Rand, o object) {
	spec := o["spec"].(object)
	switch o["kind"] {
	case "Job":
		return
	case "Pod":
		first := spec["containers"].([]any)[0].(object)
		first["image"] = fmt.Sprint(oneOf(r, "nginx", "evil.example.com/b:1", "registry.example.com/b:2"))
		return
	case "CronJob":
		spec = spec["jobTemplate"].(object)["spec"].(object)["template"].(object)["spec"].(object)
	default:
		spec = spec["template"].(object)["spec"].(object)
	}
	containers := spec["containers"].([]any)
	switch r.IntN(3) {
	case 0:
		another := podSpec(r)
		for _, field := range []string{"hostNetwork", "hostPID", "securityContext", "tolerations", "automountServiceAccountToken"} {
			delete(spec, field)
			set(spec, field, another[field])
		}
	case 1:
		containers[0] = container(r, "app")
	default:
		spec["containers"] = append(containers, container(r, "another"))
	}
}
