// Package workloads makes manifests of workloads for tests and benchmarks: the same each time, of
// all kinds that have pods, and broken in the ways that rules ask about.
//
// It knows what a rule may ask of a pod. It may import nothing of Bulwark, and must never say what
// is right of what it makes: that is for who judges it.
package workloads

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"sigs.k8s.io/yaml"
)

// Documents are so many workloads as YAML, the same each time: pods and what has a template, each
// field of which a rule asks either as it asks or in one of the ways that break it.
func Documents(n int) []string {
	r := rand.New(rand.NewPCG(1, 17))
	all := make([]string, n)
	for i := range all {
		text, err := yaml.Marshal(workload(r, i))
		if err != nil {
			panic(err) // It is made of what YAML has.
		}
		all[i] = string(text)
	}
	return all
}

// Stream is so many workloads as one text of several documents.
func Stream(n int) string { return "---\n" + strings.Join(Documents(n), "---\n") }

type object = map[string]any

// oneOf is one of several values; nil stands for none.
func oneOf(r *rand.Rand, values ...any) any { return values[r.IntN(len(values))] }

// mostly is the first value, and now and then one of all.
func mostly(r *rand.Rand, values ...any) any {
	if r.IntN(8) > 0 {
		return values[0]
	}
	return oneOf(r, values...)
}

// set sets a field, unless the value is nil.
func set(o object, field string, value any) {
	if value != nil {
		o[field] = value
	}
}

func workload(r *rand.Rand, i int) object {
	name := fmt.Sprintf("w%d", i)
	spec := podSpec(r)
	labels := object{"app": name}
	template := object{"metadata": object{"labels": labels}, "spec": spec}
	selector := object{"matchLabels": labels}
	switch kind := oneOf(r, "Pod", "Pod", "Pod", "Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job", "CronJob"); kind {
	case "Pod":
		return object{"apiVersion": "v1", "kind": kind, "metadata": object{"name": name}, "spec": spec}
	case "Job":
		spec["restartPolicy"] = "Never"
		return object{
			"apiVersion": "batch/v1",
			"kind":       kind,
			"metadata":   object{"name": name},
			"spec":       object{"template": object{"spec": spec}},
		}
	case "CronJob":
		spec["restartPolicy"] = "OnFailure"
		return object{"apiVersion": "batch/v1", "kind": kind, "metadata": object{"name": name}, "spec": object{
			"schedule": "0 * * * *", "jobTemplate": object{"spec": object{"template": object{"spec": spec}}},
		}}
	default:
		of := object{"selector": selector, "template": template}
		if kind == "StatefulSet" {
			of["serviceName"] = name
		}
		return object{"apiVersion": "apps/v1", "kind": kind, "metadata": object{"name": name}, "spec": of}
	}
}

func podSpec(r *rand.Rand) object {
	spec := object{}
	set(spec, "hostNetwork", mostly(r, nil, nil, nil, nil, true, false))
	set(spec, "hostPID", mostly(r, nil, nil, nil, nil, true))
	set(spec, "automountServiceAccountToken", mostly(r, false, nil, false, false, true))
	set(
		spec,
		"securityContext",
		mostly(
			r,
			object{"runAsNonRoot": true, "seccompProfile": object{"type": "RuntimeDefault"}},
			nil,
			object{},
			object{"runAsNonRoot": true},
			object{"runAsUser": 0},
			object{"seccompProfile": object{"type": "Unconfined"}},
		),
	)
	set(
		spec,
		"tolerations",
		mostly(
			r,
			nil,
			nil,
			nil,
			[]any{object{"operator": "Exists"}},
			[]any{object{"key": "node.kubernetes.io/not-ready", "operator": "Exists"}},
		),
	)
	set(
		spec,
		"volumes",
		mostly(
			r,
			nil,
			nil,
			[]any{object{"name": "v", "hostPath": object{"path": "/var/log"}}},
			[]any{object{"name": "v", "emptyDir": object{}}},
			[]any{object{"name": "v"}},
		),
	)
	containers := []any{container(r, "app")}
	if r.IntN(3) == 0 {
		containers = append(containers, container(r, "side"))
	}
	spec["containers"] = containers
	if r.IntN(4) == 0 {
		setup := container(r, "setup")
		delete(setup, "livenessProbe")
		delete(setup, "readinessProbe")
		if r.IntN(2) == 0 {
			setup["restartPolicy"] = "Always"
		}
		spec["initContainers"] = []any{setup}
	}
	return spec
}

func container(r *rand.Rand, name string) object {
	const digest = "@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	c := object{"name": name}
	c["image"] = mostly(
		r,
		"registry.example.com/a"+digest,
		"registry.example.com/a"+digest,
		"nginx"+digest,
		"registry.example.com/a:1",
		"nginx",
		"evil.example.com/a"+digest,
	)
	set(c, "imagePullPolicy", mostly(r, "IfNotPresent", nil, "Always"))
	set(
		c,
		"ports",
		mostly(r, nil, nil, []any{object{"containerPort": 80}}, []any{object{"containerPort": 80, "hostPort": 80}}),
	)
	probe := object{"tcpSocket": object{"port": 80}}
	set(c, "livenessProbe", mostly(r, probe, probe, probe, nil))
	set(c, "readinessProbe", mostly(r, probe, probe, probe, nil))
	set(
		c,
		"resources",
		mostly(
			r,
			nil,
			object{},
			object{"requests": object{"cpu": "100m"}},
			object{"limits": object{"cpu": "8"}},
			object{"requests": object{"cpu": 1}},
			object{"limits": object{"memory": "1Gi"}, "requests": object{"memory": "2Gi"}},
		),
	)
	context := object{}
	set(context, "allowPrivilegeEscalation", mostly(r, false, false, false, nil))
	set(context, "readOnlyRootFilesystem", mostly(r, true, true, true, nil, false))
	set(context, "runAsNonRoot", mostly(r, true, nil, true, true, false))
	set(context, "runAsUser", mostly(r, nil, nil, nil, 0, 1000))
	set(
		context,
		"seccompProfile",
		mostly(r, nil, object{"type": "RuntimeDefault"}, object{"type": "RuntimeDefault"}, object{"type": "Unconfined"}),
	)
	set(context, "appArmorProfile", mostly(r, nil, nil, nil, object{"type": "Unconfined"}))
	set(context, "seLinuxOptions", mostly(r, nil, nil, nil, object{"type": "container_t"}, object{"type": "spc_t"}))
	set(
		context,
		"capabilities",
		mostly(
			r,
			object{"drop": []any{"ALL"}},
			nil,
			object{"drop": []any{"ALL"}},
			object{"drop": []any{"ALL"}, "add": []any{"NET_BIND_SERVICE"}},
			object{"drop": []any{"ALL"}, "add": []any{"SYS_ADMIN"}},
		),
	)
	if r.IntN(12) > 0 {
		c["securityContext"] = context
	}
	return c
}
