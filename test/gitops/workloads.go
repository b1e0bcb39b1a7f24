package main

import (
	"context"
	"fmt"
	"strings"
)

// rule is a rule of the profile that workloads are held to, and words of its message.
const (
	rule      = "  workloads: {readOnlyRootFilesystem: Require}\n"
	ruleWords = "readOnlyRootFilesystem: container web must"
)

// deployment is a workload in git. It has no replicas, since there is no node.
func deployment(good bool) string {
	return fmt.Sprintf(`apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 0
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - name: web
        image: registry.example.com/web:v1
        securityContext: {readOnlyRootFilesystem: %v}
`, good)
}

// hasWorkloadsInGit has workloads in git that break a rule of the profile.
func hasWorkloadsInGit(ctx context.Context, s *stage) error {
	s.title("Workloads in git that break a rule")
	if err := s.apply(ctx, profile("rules", rule)); err != nil {
		return err
	}
	for _, name := range []string{"breaks", "breaks-later"} {
		if err := s.namespace(ctx, name, "rules"); err != nil {
			return err
		}
		if err := s.repo.write(name+"/deployment.yaml", deployment(name == "breaks-later")); err != nil {
			return err
		}
	}
	if err := s.guarded(ctx, "rules"); err != nil {
		return err
	}
	if err := s.commit(ctx, "Workloads"); err != nil {
		return err
	}
	for _, a := range []application{
		{name: "breaks", syncOptions: []string{"ServerSideApply=true"}},
		{name: "breaks-later", syncOptions: []string{"ServerSideApply=true"}, serverSideDiff: true},
	} {
		a.path, a.namespace = a.name, a.name
		if err := s.create(ctx, a); err != nil {
			return err
		}
	}
	refused := s.until(ctx, func() bool { return strings.Contains(s.shown(ctx, "breaks"), ruleWords) })
	s.table.add("a new Deployment in git breaks a rule", "the sync fails with the rule's message",
		s.shown(ctx, "breaks"), refused)
	if err := mends(ctx, s, "breaks", "a commit mends it"); err != nil {
		return err
	}
	return breaksLater(ctx, s)
}

// breaksLater has a workload that is there changed, so that it breaks the rule.
func breaksLater(ctx context.Context, s *stage) error {
	if seen, good := s.settled(ctx, "breaks-later"); !good {
		return fmt.Errorf("a Deployment that keeps the rule is not synced: %s", seen)
	}
	if err := s.repo.write("breaks-later/deployment.yaml", deployment(false)); err != nil {
		return err
	}
	if err := s.commit(ctx, "It breaks the rule", "breaks-later"); err != nil {
		return err
	}
	unknown := s.until(ctx, func() bool {
		sync, _ := state(s.application(ctx, "breaks-later"))
		return sync == "Unknown" && strings.Contains(s.shown(ctx, "breaks-later"), ruleWords)
	})
	s.table.add("a Deployment that is there is changed in git so that it breaks a rule, ServerSideDiff=true",
		"the comparison fails with the rule's message; the Application is Unknown", s.shown(ctx, "breaks-later"), unknown)
	return mends(ctx, s, "breaks-later", "a commit mends that one")
}

func mends(ctx context.Context, s *stage, name, what string) error {
	if err := s.repo.write(name+"/deployment.yaml", deployment(true)); err != nil {
		return err
	}
	if err := s.commit(ctx, "It keeps the rule", name); err != nil {
		return err
	}
	seen, good := s.settled(ctx, name)
	s.table.add(what, "Synced, Healthy", seen, good)
	return nil
}
