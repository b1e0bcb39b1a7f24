package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

var applicationKind = schema.GroupVersionKind{Group: "argoproj.io", Version: "v1alpha1", Kind: "Application"}

// application is what an Application of the story says.
type application struct {
	name, path, namespace string
	syncOptions           []string
	serverSideDiff        bool
	cascade               bool              // deleting the Application deletes its resources
	ignore                bool              // differences in what Bulwark has set on Namespaces
	namespaceLabels       map[string]string // of managedNamespaceMetadata
	project               string            // "" is default
	release               string            // of a chart; "" is the name of the Application
}

// object is the Application, automated, and retried as docs/gitops.md says.
func (a application) object(url string) *unstructured.Unstructured {
	options := []any{}
	for _, option := range a.syncOptions {
		options = append(options, option)
	}
	policy := map[string]any{
		"automated": map[string]any{"prune": true, "selfHeal": true},
		"retry": map[string]any{
			"limit": int64(-1), "refresh": true,
			"backoff": map[string]any{"duration": "2s", "factor": int64(1), "maxDuration": "10s"},
		},
		"syncOptions": options,
	}
	if a.namespaceLabels != nil {
		labels := map[string]any{}
		for key, value := range a.namespaceLabels {
			labels[key] = value
		}
		policy["managedNamespaceMetadata"] = map[string]any{"labels": labels}
	}
	source := map[string]any{"repoURL": url, "targetRevision": "main", "path": a.path}
	if a.release != "" {
		source["helm"] = map[string]any{"releaseName": a.release}
	}
	spec := map[string]any{
		"project":     cmp.Or(a.project, "default"),
		"source":      source,
		"destination": map[string]any{"server": "https://kubernetes.default.svc", "namespace": a.namespace},
		"syncPolicy":  policy,
	}
	if a.ignore {
		spec["ignoreDifferences"] = []any{map[string]any{"kind": "Namespace", "managedFieldsManagers": []any{"bulwark"}}}
	}
	o := &unstructured.Unstructured{Object: map[string]any{"spec": spec}}
	o.SetGroupVersionKind(applicationKind)
	o.SetNamespace(argoNamespace)
	o.SetName(a.name)
	if a.serverSideDiff {
		o.SetAnnotations(map[string]string{"argocd.argoproj.io/compare-options": "ServerSideDiff=true"})
	}
	if a.cascade {
		o.SetFinalizers([]string{"resources-finalizer.argocd.argoproj.io"})
	}
	return o
}

func (s *stage) create(ctx context.Context, a application) error {
	if err := s.client.Create(ctx, a.object(s.repo.url())); err != nil {
		return fmt.Errorf("creating Application %s: %w", a.name, err)
	}
	return nil
}

// commit commits what was written, and has these Applications look at it.
func (s *stage) commit(ctx context.Context, message string, names ...string) error {
	if err := s.repo.commit(ctx, message); err != nil {
		return err
	}
	for _, name := range names {
		if err := s.patch(ctx, name, `{"metadata":{"annotations":{"argocd.argoproj.io/refresh":"normal"}}}`); err != nil {
			return err
		}
	}
	return nil
}

// sync asks for a sync of the Application, and waits until it has been carried out.
func (s *stage) sync(ctx context.Context, name string) error {
	live := s.application(ctx, name)
	before, _, _ := unstructured.NestedString(live.Object, "status", "operationState", "finishedAt")
	s.rest(ctx, 1100e6) // Times are in whole seconds.
	// Argo CD's API server copies the options of the Application into a sync that somebody asks for.
	options, _, _ := unstructured.NestedSlice(live.Object, "spec", "syncPolicy", "syncOptions")
	operation, err := json.Marshal(map[string]any{"operation": map[string]any{
		"initiatedBy": map[string]any{"username": "platform"},
		"sync":        map[string]any{"prune": true, "syncOptions": options},
	}})
	if err != nil {
		return err
	}
	if err := s.patch(ctx, name, string(operation)); err != nil {
		return err
	}
	s.until(ctx, func() bool {
		o := s.application(ctx, name).Object
		after, _, _ := unstructured.NestedString(o, "status", "operationState", "finishedAt")
		_, running := o["operation"]
		return !running && after != before && after != ""
	})
	return nil
}

func (s *stage) patch(ctx context.Context, name, patch string) error {
	o := application{name: name}.object("")
	if err := s.client.Patch(ctx, o, client.RawPatch(types.MergePatchType, []byte(patch))); err != nil {
		return fmt.Errorf("patching Application %s: %w", name, err)
	}
	return nil
}

// application is the live Application, or an empty one.
func (s *stage) application(ctx context.Context, name string) *unstructured.Unstructured {
	o := &unstructured.Unstructured{}
	o.SetGroupVersionKind(applicationKind)
	_ = s.client.Get(ctx, client.ObjectKey{Namespace: argoNamespace, Name: name}, o) // Who asks polls.
	return o
}

// state is what Argo CD shows of an Application.
func state(o *unstructured.Unstructured) (sync, health string) {
	sync, _, _ = unstructured.NestedString(o.Object, "status", "sync", "status")
	health, _, _ = unstructured.NestedString(o.Object, "status", "health", "status")
	return sync, health
}

// settled waits until Argo CD shows the Application as Synced and Healthy and has carried out its
// last sync, and tells what it shows.
func (s *stage) settled(ctx context.Context, name string) (seen string, good bool) {
	good = s.until(ctx, func() bool {
		o := s.application(ctx, name)
		sync, health := state(o)
		phase, _, _ := unstructured.NestedString(o.Object, "status", "operationState", "phase")
		return sync == "Synced" && health == "Healthy" && phase == "Succeeded"
	})
	return s.shown(ctx, name), good
}

// shown is what a person sees of the Application.
func (s *stage) shown(ctx context.Context, name string) string {
	o := s.application(ctx, name)
	sync, health := state(o)
	shown := sync + ", " + health
	phase, _, _ := unstructured.NestedString(o.Object, "status", "operationState", "phase")
	if phase != "Succeeded" {
		message, _, _ := unstructured.NestedString(o.Object, "status", "operationState", "message")
		shown += ", sync " + phase + ": " + message
		if !strings.Contains(message, "reason: ") {
			shown += refusals(o)
		}
	}
	if c := conditions(o); c != "" {
		shown += ", " + c
	}
	return short(shown)
}

// refusals are what the API server said of resources that the last sync could not apply.
func refusals(o *unstructured.Unstructured) (words string) {
	results, _, _ := unstructured.NestedSlice(o.Object, "status", "operationState", "syncResult", "resources")
	for _, r := range results {
		if r, ok := r.(map[string]any); ok && r["status"] == "SyncFailed" {
			words += fmt.Sprint("; ", r["kind"], " ", r["name"], ": ", r["message"])
		}
	}
	return words
}

// conditions are what stands in the way, in Argo CD's words.
func conditions(o *unstructured.Unstructured) string {
	all, _, _ := unstructured.NestedSlice(o.Object, "status", "conditions")
	var words []string
	for _, c := range all {
		if c, ok := c.(map[string]any); ok {
			words = append(words, fmt.Sprint(c["type"], ": ", c["message"]))
		}
	}
	return strings.Join(words, "; ")
}

// resources are those of the Application that Argo CD shows otherwise than wanted.
func (s *stage) resources(ctx context.Context, name string, wanted func(kind, sync, health string) bool) []string {
	o := s.application(ctx, name)
	raw, _, _ := unstructured.NestedSlice(o.Object, "status", "resources")
	encoded, _ := json.Marshal(raw)
	var all []struct {
		Kind, Name, Status string
		Health             struct{ Status string }
	}
	_ = json.Unmarshal(encoded, &all)
	var others []string
	for _, r := range all {
		if !wanted(r.Kind, r.Status, r.Health.Status) {
			others = append(others, strings.TrimSpace(fmt.Sprintf("%s %s %s %s", r.Kind, r.Name, r.Status, r.Health.Status)))
		}
	}
	return others
}

// short is as much of a text as a table holds.
func short(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > 500 {
		text = text[:500] + " …"
	}
	return text
}
