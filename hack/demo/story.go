package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/bulwark-dev/bulwark/test/controlplane"
)

// tamper is something that a tenant does to the baseline, and how one sees that it is undone.
type tamper struct {
	what  string
	do    string
	check string
	want  string
}

var tampers = []tamper{
	{
		what:  "deletes the default-deny",
		do:    "delete networkpolicy bulwark-default-deny -n shop",
		check: "get networkpolicy bulwark-default-deny -n shop -o jsonpath={.spec.policyTypes}",
		want:  `["Ingress","Egress"]`,
	},
	{
		what:  "loosens the quota",
		do:    `patch resourcequota bulwark-compute -n shop --type=merge -p {"spec":{"hard":{"pods":"5000"}}}`,
		check: "get resourcequota bulwark-compute -n shop -o jsonpath={.spec.hard.pods}",
		want:  "50",
	},
	{
		what:  "adds a rule that reads secrets",
		do:    `patch role bulwark-developer -n shop --type=json -p [{"op":"add","path":"/rules/-","value":{"apiGroups":[""],"resources":["secrets"],"verbs":["get"]}}]`,
		check: "auth can-i get secrets -n shop --as=dev --as-group=developers",
		want:  "no",
	},
	{
		what:  "relabels the namespace",
		do:    "label namespace shop pod-security.kubernetes.io/enforce=privileged --overwrite",
		check: "get namespace shop -o jsonpath={.metadata.labels.pod-security\\.kubernetes\\.io/enforce}",
		want:  "restricted",
	},
}

// run tells the story: a cluster, profiles, a tenant who tampers, and what comes of it.
func run(ctx context.Context, out io.Writer, once bool) (err error) {
	s := &stage{out: out}
	defer func() { err = errors.Join(err, s.close()) }()
	if err := s.open(ctx); err != nil {
		return err
	}
	for _, act := range []func(context.Context) error{s.namespaces, s.profiles, s.effects, s.tampering, s.reports, s.weaknesses} {
		if err := act(ctx); err != nil {
			return err
		}
	}
	s.title(fmt.Sprintf("Everything held: %d checks.", s.held))
	if once {
		return nil
	}
	kubeconfig := filepath.Join(controlplane.Root(), "bin", "demo.kubeconfig")
	if err := controlplane.WriteKubeconfig(kubeconfig, s.plane.Config); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.Remove(kubeconfig)) }()
	fmt.Fprintf(out, "\nThe cluster stays up. In another terminal:\n\n  export KUBECONFIG=%s\n  export PATH=%s:$PATH\n  kubectl get secprof\n\nCtrl-C ends it.\n",
		kubeconfig, controlplane.Assets())
	<-ctx.Done()
	return nil
}

func (s *stage) namespaces(ctx context.Context) error {
	s.title("A cluster with the namespaces of a few teams")
	for _, args := range []string{
		"create namespace shop", "create namespace payments", "create namespace preview", "create namespace observability", "create namespace scratch",
		"label namespace shop payments tier=prod", "label namespace preview tier=staging", "label namespace observability team=observability",
	} {
		if err := s.show(ctx, args); err != nil {
			return err
		}
	}
	return nil
}

func (s *stage) profiles(ctx context.Context) error {
	s.title("The security team applies its profiles")
	for _, args := range []string{
		"apply --server-side -k config/samples",
		"wait --for=condition=Ready securityprofile --all --timeout=60s",
		"get secprof",
		"get nspost -A",
		"get networkpolicy,limitrange,resourcequota,role,rolebinding,serviceaccount -n shop",
		"get namespace shop -o jsonpath={.metadata.labels}",
	} {
		if err := s.show(ctx, args); err != nil {
			return err
		}
	}
	return nil
}

func (s *stage) effects(ctx context.Context) error {
	s.title("What the API server now refuses, and permits")
	if err := s.refused(ctx, "run evil -n shop --image=evil:v1 --privileged", `violates PodSecurity "restricted:v1.37"`); err != nil {
		return err
	}
	for args, want := range map[string]string{
		"auth can-i list pods -n shop --as=dev --as-group=developers":   "yes",
		"auth can-i delete pods -n shop --as=dev --as-group=developers": "no",
	} {
		if err := s.eventually(ctx, args, want); err != nil {
			return err
		}
	}
	return nil
}

func (s *stage) tampering(ctx context.Context) error {
	s.title("Mallory, who was given far too much in shop, tampers")
	if err := s.show(ctx, "create rolebinding too-much -n shop --clusterrole=cluster-admin --user=mallory"); err != nil {
		return err
	}
	for _, t := range tampers {
		fmt.Fprintf(s.out, "\n# Mallory %s.\n", t.what)
		began := time.Now()
		if err := s.show(ctx, t.do+" --as=mallory"); err != nil {
			return err
		}
		if err := s.eventually(ctx, t.check, t.want); err != nil {
			return err
		}
		fmt.Fprintf(s.out, "# undone and seen within %d ms, the time of two kubectl commands included\n", time.Since(began).Milliseconds())
	}
	return nil
}

func (s *stage) reports(ctx context.Context) error {
	s.title("What the reports say")
	drift := `{range .drift[*]}{.state}{"\t"}{.change}{"\t"}{.object.kind}{"\t"}{.object.name}{"\t"}{.manager}{"\n"}{end}`
	if err := s.eventuallyContains(ctx, "get nspost posture -n shop -o jsonpath="+drift, len(tampers), "Corrected"); err != nil {
		return err
	}
	total := fmt.Sprint(len(tampers)) // The profile sums its reports once a second.
	if err := s.eventually(ctx, "get securityprofile restricted -o jsonpath={.status.driftTotal}", total); err != nil {
		return err
	}
	for _, args := range []string{
		"describe securityprofile restricted",
		"get events -n default --field-selector=reason=DriftCorrected",
		"wait --for=condition=Ready securityprofile --all --timeout=60s",
	} {
		if err := s.show(ctx, args); err != nil {
			return err
		}
	}
	return nil
}

func (s *stage) weaknesses(ctx context.Context) error {
	s.title("What weakens the baseline though it is not Bulwark's")
	findings := `{range .findings[*]}{.severity}{"\t"}{.id}{"\t"}{.object.name}{"\t"}{.message}{"\n"}{end}`
	if err := s.eventuallyContains(ctx, "get nspost posture -n shop -o jsonpath="+findings, 1, "PrivilegedBinding"); err != nil {
		return err
	}
	compliant := "get securityprofile restricted -o jsonpath={.status.conditions[?(@.type==\"Compliant\")].reason}"
	if err := s.eventually(ctx, compliant, "Weakened"); err != nil {
		return err
	}
	if err := s.show(ctx, "delete rolebinding too-much -n shop"); err != nil {
		return err
	}
	if err := s.eventually(ctx, compliant, "Compliant"); err != nil {
		return err
	}
	return s.show(ctx, "get secprof")
}

// fields splits a command line at spaces. No argument of the story has one, but for the jsonpath of reports.
func fields(args string) []string {
	before, jsonpath, found := strings.Cut(args, "-o jsonpath=")
	if !found {
		return strings.Fields(args)
	}
	return append(strings.Fields(before), "-o", "jsonpath="+jsonpath)
}
