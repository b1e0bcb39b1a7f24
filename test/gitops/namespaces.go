package main

import (
	"context"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
)

const enforceLabel = "pod-security.kubernetes.io/enforce"

// createsNamespaces has Argo CD make a namespace with the label that a profile selects.
func createsNamespaces(ctx context.Context, s *stage) error {
	s.title("Argo CD creates a namespace")
	if err := s.apply(ctx, profile("fresh", "")); err != nil {
		return err
	}
	const settings = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {a: b}\n"
	if err := s.repo.write("fresh/settings.yaml", settings); err != nil {
		return err
	}
	if err := s.commit(ctx, "An application"); err != nil {
		return err
	}
	a := application{
		name: "fresh", path: "fresh", namespace: "fresh-namespace",
		syncOptions:     []string{"CreateNamespace=true"},
		namespaceLabels: map[string]string{selecting: "fresh"},
	}
	if err := s.create(ctx, a); err != nil {
		return err
	}
	seen, good := s.settled(ctx, a.name)
	governed := s.until(ctx, func() bool { return s.ready(ctx, "fresh") == 1 })
	if err := s.sync(ctx, a.name); err != nil {
		return err
	}
	again, still := s.settled(ctx, a.name)
	level := level(ctx, s, a.namespace)
	s.table.add("CreateNamespace=true, managedNamespaceMetadata with the selecting label, synced twice",
		"Synced, Healthy; the baseline is in place, and the second sync leaves the level",
		fmt.Sprintf("%s; baseline in place: %v; after the second sync %s, level %s", seen, governed, again, level),
		good && governed && still && level == "baseline")
	return nil
}

// level is the namespace's enforced Pod Security level.
func level(ctx context.Context, s *stage, name string) string {
	var namespace corev1.Namespace
	_ = s.client.Get(ctx, client.ObjectKey{Name: name}, &namespace) // Who asks polls.
	return namespace.Labels[enforceLabel]
}

// inGit writes a namespace as a team has it in git, with a level of its own.
func inGit(s *stage, name, profile, level string) error {
	labels := selecting + ": " + profile
	if level != "" {
		labels += ", " + enforceLabel + ": " + level
	}
	const manifest = "apiVersion: v1\nkind: Namespace\nmetadata: {name: %s, labels: {%s}}\n"
	return s.repo.write(name+"/namespace.yaml", fmt.Sprintf(manifest, name, labels))
}

// hasNamespacesInGit has namespaces in git with another level than the profile's.
func hasNamespacesInGit(ctx context.Context, s *stage) error {
	s.title("Namespaces in git, with another level than the profile's")
	if err := s.apply(ctx, profile("levels", "")); err != nil {
		return err
	}
	if err := s.apply(ctx, profile("guarded", "  protection: {tamper: Forbid}\n")); err != nil {
		return err
	}
	profiles := map[string]string{"fights": "levels", "display": "levels", "yields": "levels", "refused": "guarded"}
	for name, profile := range profiles {
		if err := inGit(s, name, profile, "privileged"); err != nil {
			return err
		}
	}
	if err := s.commit(ctx, "Namespaces"); err != nil {
		return err
	}
	for _, step := range []func(context.Context, *stage) error{fights, yields, refusesLevels} {
		if err := step(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

// drifts are how many drifts the namespace's report knows, and the newest.
func drifts(ctx context.Context, s *stage, namespace string) (int64, string) {
	var report v1alpha1.NamespacePosture
	_ = s.client.Get(ctx, client.ObjectKey{Namespace: namespace, Name: v1alpha1.PostureName}, &report) // Who asks polls.
	if len(report.Drift) == 0 {
		return report.DriftTotal, ""
	}
	newest := report.Drift[0]
	object := newest.Object.Kind + " " + newest.Object.Name
	return report.DriftTotal, fmt.Sprintf("%s, %s by %s", object, newest.State, newest.Manager)
}

// fights is the contest, and the first remedy: the labels leave git.
func fights(ctx context.Context, s *stage) error {
	if err := s.create(ctx, application{name: "fights", path: "fights", namespace: "default"}); err != nil {
		return err
	}
	contested := s.until(ctx, func() bool {
		_, newest := drifts(ctx, s, "fights")
		return strings.Contains(newest, "Contested by argocd-controller")
	})
	total, newest := drifts(ctx, s, "fights")
	s.table.add("a namespace in git with the level privileged, selfHeal, no remedy",
		"Contested; the report names argocd-controller",
		fmt.Sprintf("%d drifts, the newest: %s; Application: %s", total, newest, s.shown(ctx, "fights")), contested)
	if err := inGit(s, "fights", "levels", ""); err != nil {
		return err
	}
	if err := s.commit(ctx, "The level leaves git", "fights"); err != nil {
		return err
	}
	seen, good := s.settled(ctx, "fights")
	mended := s.until(ctx, func() bool { return level(ctx, s, "fights") == "baseline" })
	s.table.add("the remedy: the level leaves git", "Synced, Healthy, level baseline",
		seen+", level "+level(ctx, s, "fights"), good && mended)
	return nil
}

// yields is the second remedy, half of it and all of it.
func yields(ctx context.Context, s *stage) error {
	for _, a := range []application{
		{name: "display", ignore: true},
		{name: "yields", ignore: true, syncOptions: []string{"RespectIgnoreDifferences=true"}},
	} {
		a.path, a.namespace = a.name, "default"
		if err := s.create(ctx, a); err != nil {
			return err
		}
		seen, good := s.settled(ctx, a.name)
		s.until(ctx, func() bool { return level(ctx, s, a.name) == "baseline" })
		s.rest(ctx, 5e9) // Bulwark tells of a drift within a second or two.
		before, _ := drifts(ctx, s, a.name)
		if err := s.sync(ctx, a.name); err != nil {
			return err
		}
		s.rest(ctx, 5e9)
		after, _ := drifts(ctx, s, a.name)
		written, expected := after > before, "Synced; the next sync writes git's level, and Bulwark corrects it"
		what := "ignoreDifferences with managedFieldsManagers: [bulwark] alone"
		if len(a.syncOptions) > 0 {
			what, expected = "the same and RespectIgnoreDifferences=true", "Synced; the next sync leaves the level"
		}
		seen = fmt.Sprintf("%s; drifts before the next sync %d, after it %d; level %s",
			seen, before, after, level(ctx, s, a.name))
		s.table.add(what, expected, seen, good && written == (len(a.syncOptions) == 0))
	}
	return nil
}

// refusesLevels is the same under tamper protection.
func refusesLevels(ctx context.Context, s *stage) error {
	if err := s.guarded(ctx, "guarded"); err != nil {
		return err
	}
	if err := s.create(ctx, application{name: "refused", path: "refused", namespace: "default"}); err != nil {
		return err
	}
	refused := s.until(ctx, func() bool {
		return strings.Contains(s.shown(ctx, "refused"), "declares the Pod Security labels")
	})
	s.table.add("a new namespace in git with another level, under protection.tamper",
		"the sync fails in the API server's words", s.shown(ctx, "refused"), refused)
	if err := inGit(s, "refused", "guarded", ""); err != nil {
		return err
	}
	if err := s.commit(ctx, "The level leaves git", "refused"); err != nil {
		return err
	}
	seen, good := s.settled(ctx, "refused")
	s.until(ctx, func() bool { return level(ctx, s, "refused") == "baseline" })
	s.table.add("the level leaves git", "the retry takes the new commit: Synced, Healthy, level baseline",
		seen+", level "+level(ctx, s, "refused"), good && level(ctx, s, "refused") == "baseline")
	return nil
}
