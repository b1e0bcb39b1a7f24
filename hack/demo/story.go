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

	"github.com/bulwark-dev/bulwark/test/framework/controlplane"
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
		do:    "delete networkpolicy bulwark-default-deny -n scratch",
		check: "get networkpolicy bulwark-default-deny -n scratch -o jsonpath={.spec.policyTypes}",
		want:  `["Ingress"]`,
	},
	{
		what:  "loosens the limits",
		do:    `patch limitrange bulwark-limits -n scratch --type=json -p [{"op":"replace","path":"/spec/limits/0/default/memory","value":"64Gi"}]`,
		check: "get limitrange bulwark-limits -n scratch -o jsonpath={.spec.limits[0].default.memory}",
		want:  "1Gi",
	},
	{
		what:  "relabels the namespace",
		do:    "label namespace scratch pod-security.kubernetes.io/enforce=privileged --overwrite",
		check: "get namespace scratch -o jsonpath={.metadata.labels.pod-security\\.kubernetes\\.io/enforce}",
		want:  "baseline",
	},
	{
		what:  "has every pod given a token",
		do:    `patch serviceaccount default -n scratch -p {"automountServiceAccountToken":true}`,
		check: "get serviceaccount default -n scratch -o jsonpath={.automountServiceAccountToken}",
		want:  "false",
	},
}

// refusal is something that a tenant does and that the API server refuses, and words of its answer.
type refusal struct {
	what  string
	do    string
	words string
}

const (
	loosenQuota = `patch resourcequota bulwark-compute -n shop --type=merge -p {"spec":{"hard":{"pods":"5000"}}}`
	openPolicy  = `{"apiVersion":"networking.k8s.io/v1","kind":"NetworkPolicy","metadata":{"name":"open"},"spec":{"podSelector":{},"ingress":[{}]}}`
)

var refusals = []refusal{
	{"deletes the default-deny", "delete networkpolicy bulwark-default-deny -n shop", "part of the namespace's baseline"},
	{"loosens the quota", loosenQuota, "part of the namespace's baseline"},
	{
		"relabels the namespace",
		"label namespace shop pod-security.kubernetes.io/enforce=privileged --overwrite",
		"declares the Pod Security labels",
	},
	{"takes the namespace out of the profile's selection", "label namespace shop tier-", "would lose its baseline"},
	{
		"has every pod given a token",
		`patch serviceaccount default -n shop -p {"automountServiceAccountToken":true}`,
		"part of the namespace's baseline",
	},
	{
		"opens the network beside the default-deny",
		"create -n shop -f -" + stdin + openPolicy,
		"opens Ingress from every peer",
	},
}

// run tells the story: a cluster, profiles, a tenant who tampers, and what comes of it.
func run(ctx context.Context, out io.Writer, once bool) (err error) {
	s := &stage{out: out}
	defer func() { err = errors.Join(err, s.close()) }()
	if err := s.open(ctx); err != nil {
		return err
	}
	for _, act := range []func(context.Context) error{
		s.namespaces, s.profiles, s.effects, s.tampering, s.protection, s.breakGlass, s.reports, s.weaknesses,
	} {
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
	fmt.Fprintf(
		out,
		"\nThe cluster stays up. In another terminal:\n\n  export KUBECONFIG=%s\n  export PATH=%s:$PATH\n  kubectl get secprof\n\nCtrl-C ends it.\n",
		kubeconfig,
		controlplane.Assets(),
	)
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
		"wait --for=condition=AdmissionReady securityprofile restricted --timeout=60s",
		"get validatingadmissionpolicy",
	} {
		if err := s.show(ctx, args); err != nil {
			return err
		}
	}
	return nil
}

func (s *stage) effects(ctx context.Context) error {
	s.title("What the API server now refuses, and permits")
	if err := s.refused(
		ctx,
		"run evil -n shop --image=evil:v1 --privileged",
		`violates PodSecurity "restricted:v1.37"`,
	); err != nil {
		return err
	}
	if err := s.refused(
		ctx,
		"create deployment web --image=registry.example.com/web@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 -n shop",
		"readOnlyRootFilesystem: container web must",
	); err != nil {
		return err
	}
	if err := s.refused(ctx, "create service nodeport web --tcp=80 -n shop", "must be one of ClusterIP"); err != nil {
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
	s.title("Mallory, who was given far too much, tampers in scratch, which its profile does not protect from that")
	for _, namespace := range []string{"scratch", "shop"} {
		if err := s.show(
			ctx,
			"create rolebinding too-much -n "+namespace+" --clusterrole=cluster-admin --user=mallory",
		); err != nil {
			return err
		}
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
		fmt.Fprintf(
			s.out,
			"# undone and seen within %d ms, the time of two kubectl commands included\n",
			time.Since(began).Milliseconds(),
		)
	}
	return nil
}

func (s *stage) protection(ctx context.Context) error {
	s.title("Mallory tries the same in shop, which is protected")
	for _, r := range refusals {
		fmt.Fprintf(s.out, "\n# Mallory %s.\n", r.what)
		command, input, piped := strings.Cut(r.do, stdin)
		command += " --as=mallory"
		if piped {
			command += stdin + input
		}
		if err := s.refused(ctx, command, r.words); err != nil {
			return err
		}
	}
	return nil
}

// breakGlass is what somebody does whom tamper protection does not hold.
func (s *stage) breakGlass(ctx context.Context) error {
	s.title("Somebody on call breaks the glass")
	if err := s.show(
		ctx,
		"create clusterrolebinding on-call-admins --clusterrole=cluster-admin --group=break-glass",
	); err != nil {
		return err
	}
	if err := s.protectedForLong(ctx); err != nil {
		return err
	}
	if err := s.show(ctx, loosenQuota+" --as=ada --as-group=break-glass"); err != nil {
		return err
	}
	if err := s.eventually(
		ctx,
		"get resourcequota bulwark-compute -n shop -o jsonpath={.spec.hard.pods}",
		"50",
	); err != nil {
		return err
	}
	events := `{range .items[*]}{.involvedObject.kind}{"\t"}{.message}{"\n"}{end}`
	return s.eventuallyContains(
		ctx,
		"get events -n default --field-selector=reason=BreakGlassUsed -o jsonpath="+events,
		1,
		"ResourceQuota bulwark-compute",
	)
}

// told is how old tamper protection must be for Bulwark to say of a change that it is break-glass:
// so long it may take until every API server of a cluster has heard of a policy. The condition's
// time is in whole seconds.
const told = 11 * time.Second

// protectedForLong waits until then.
func (s *stage) protectedForLong(ctx context.Context) error {
	since, err := s.kubectl(
		ctx,
		`get securityprofile restricted -o jsonpath={.status.conditions[?(@.type=="AdmissionReady")].lastTransitionTime}`,
	)
	if err != nil {
		return fmt.Errorf("asking since when shop is protected: %w: %s", err, since)
	}
	from, err := time.Parse(time.RFC3339, since)
	if err != nil {
		return fmt.Errorf("asking since when shop is protected: %w", err)
	}
	left := time.Until(from.Add(told))
	if left <= 0 {
		return nil
	}
	fmt.Fprintf(
		s.out,
		"# the policies are young: %d s until a change that they let through is told of as break-glass\n",
		int(left.Seconds())+1,
	)
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(left):
		return nil
	}
}

func (s *stage) reports(ctx context.Context) error {
	s.title("What the reports say")
	drift := `{range .drift[*]}{.state}{"\t"}{.change}{"\t"}{.object.kind}{"\t"}{.object.name}{"\t"}{.manager}{"\n"}{end}`
	for _, of := range []struct {
		namespace, profile string
		drifts             int
	}{{"scratch", "baseline", len(tampers)}, {"shop", "restricted", 1}} {
		if err := s.eventuallyContains(
			ctx,
			"get nspost posture -n "+of.namespace+" -o jsonpath="+drift,
			of.drifts,
			"Corrected",
		); err != nil {
			return err
		}
		total := fmt.Sprint(of.drifts) // The profile sums its reports once a second.
		if err := s.eventually(
			ctx,
			"get securityprofile "+of.profile+" -o jsonpath={.status.driftTotal}",
			total,
		); err != nil {
			return err
		}
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
	if err := s.eventuallyContains(
		ctx,
		"get nspost posture -n shop -o jsonpath="+findings,
		1,
		"PrivilegedBinding",
	); err != nil {
		return err
	}
	compliant := "get securityprofile restricted -o jsonpath={.status.conditions[?(@.type==\"Compliant\")].reason}"
	if err := s.eventually(ctx, compliant, "Weakened"); err != nil {
		return err
	}
	for _, namespace := range []string{"shop", "scratch"} {
		if err := s.show(ctx, "delete rolebinding too-much -n "+namespace); err != nil {
			return err
		}
	}
	if err := s.eventually(ctx, compliant, "Compliant"); err != nil {
		return err
	}
	return s.show(ctx, "get secprof")
}

// fields splits a command line at spaces. No argument of the story has one, but for the jsonpath of
// reports.
func fields(args string) []string {
	before, jsonpath, found := strings.Cut(args, "-o jsonpath=")
	if !found {
		return strings.Fields(args)
	}
	return append(strings.Fields(before), "-o", "jsonpath="+jsonpath)
}
