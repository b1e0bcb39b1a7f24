package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"sigs.k8s.io/yaml"

	"github.com/bulwark-dev/bulwark/test/framework/controlplane"
	"github.com/bulwark-dev/bulwark/test/framework/workloads"
)

// peers are those that check is held against, built by hack/peers.sh.
const (
	kyverno   = "kyverno"
	kubeScore = "kube-score"
)

// checking is one run of the scenario check: manifests in a folder of its own, and what judges
// them.
type checking struct {
	*bench
	dir string
}

// cost is what a process took: its time in seconds, and its memory in MiB.
type cost struct{ wall, cpu, resident float64 }

// check measures kubectl posture check against the floor of decoding the same manifests, and
// against its peers.
func (b *bench) check(ctx context.Context) (err error) {
	c := &checking{bench: b}
	if c.dir, err = os.MkdirTemp("", "bulwark-bench-check-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(c.dir)) }()
	if err := c.write(ctx); err != nil {
		return err
	}
	for _, step := range []func(context.Context) error{c.manyManifests, c.againstKubeScore, c.againstKyverno, c.short} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// write writes what is judged: pod-security-admission's own test data and generated applications,
// as many workloads, and Deployments.
func (c *checking) write(ctx context.Context) error {
	list := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", "k8s.io/pod-security-admission")
	list.Dir = controlplane.Root()
	out, err := list.Output()
	if err != nil {
		return fmt.Errorf("finding pod-security-admission's test data: %w", err)
	}
	var data []string
	err = filepath.WalkDir(
		filepath.Join(strings.TrimSpace(string(out)), "test", "testdata"),
		func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || filepath.Ext(path) != ".yaml" {
				return err
			}
			text, err := os.ReadFile(path)
			data = append(data, string(text))
			return err
		},
	)
	if err != nil {
		return err
	}
	n := max(c.Manifests-len(data), 0)
	c.say("  %d manifests, of which %d are pod-security-admission's test data", len(data)+n, len(data))
	return errors.Join(
		c.files("mixed", append(workloads.Applications(n), data...)),
		c.files("workloads", append(workloads.Documents(n), data...)),
		c.put("deployments.yaml", "---\n"+strings.Join(workloads.Deployments(c.Deployments), "---\n")),
		c.put("one.yaml", workloads.Deployments(2)[1]),
		c.put("values.yaml", "apiVersion: cli.kyverno.io/v1alpha1\nkind: Values\nmetadata: {name: values}\n"+
			"namespaceSelector: [{name: shop, labels: {tier: prod}}]\n"),
		c.profiles(),
	)
}

func (c *checking) files(folder string, manifests []string) error {
	for i, text := range manifests {
		if err := c.put(filepath.Join(folder, fmt.Sprintf("%03d", i/100), fmt.Sprintf("%05d.yaml", i)), text); err != nil {
			return err
		}
	}
	return nil
}

func (c *checking) put(name, text string) error {
	path := filepath.Join(c.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, []byte(text), 0o600)
}

// profiles writes the sample restricted, and the same with its rules for workloads and images
// alone.
func (c *checking) profiles() error {
	profile, err := restricted("restricted")
	if err != nil {
		return err
	}
	profile.Spec.NamespaceSelector.MatchLabels = map[string]string{"tier": "prod"} // As values.yaml has it.
	profile.APIVersion, profile.Kind = "security.bulwark.dev/v1alpha1", "SecurityProfile"
	every, err := yaml.Marshal(profile)
	if err != nil {
		return err
	}
	some := profile.DeepCopy()
	withoutPolicies(&some.Spec)
	some.Spec.Workloads, some.Spec.Images = profile.Spec.Workloads, profile.Spec.Images
	some.Spec.PodSecurity, some.Spec.Network, some.Spec.RBAC, some.Spec.Limits, some.Spec.Quotas = nil, nil, nil, nil, nil
	rules, err := yaml.Marshal(some)
	return errors.Join(err, c.put("restricted.yaml", string(every)), c.put("rules.yaml", string(rules)))
}

// run runs a program in the folder, and is what it took. Each peer has statuses of its own for what
// it finds.
func (c *checking) run(ctx context.Context, finds int, program string, args ...string) (cost, error) {
	command := exec.CommandContext(ctx, program, args...)
	command.Dir = c.dir
	var said bytes.Buffer
	command.Stderr = &said
	began := time.Now()
	peak, err := runWithPeak(command)
	took := cost{wall: time.Since(began).Seconds(), resident: peak}
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || exit.ExitCode() != finds) {
		return cost{}, fmt.Errorf(
			"%s %s: %w: %s",
			filepath.Base(program),
			strings.Join(args, " "),
			err,
			said.Bytes()[:min(said.Len(), 1000)],
		)
	}
	took.cpu = (command.ProcessState.UserTime() + command.ProcessState.SystemTime()).Seconds()
	return took, nil
}

// arms are programs that take turns, so that a machine that is busy for a while is so for all of
// them.
type arms map[string]func() (cost, error)

func (c *checking) turns(benchmark string, rounds int, order []string, all arms) (map[string][]cost, error) {
	costs := map[string][]cost{}
	for i := range rounds {
		for k := range order {
			name := order[(k+i)%len(order)]
			took, err := all[name]()
			if err != nil {
				return nil, err
			}
			costs[name] = append(costs[name], took)
			c.results.sample(
				"Check/"+benchmark+"/by="+name,
				measure{took.wall, "sec/op"},
				measure{took.cpu, "cpu-sec/op"},
				measure{took.resident, "MiB"},
			)
		}
	}
	return costs, nil
}

func (c *checking) posture(ctx context.Context, profile, files string) func() (cost, error) {
	return func() (cost, error) {
		return c.run(ctx, 2, c.Plugin, "check", "-f", files, "--profile", profile, "-o", "json")
	}
}

func (c *checking) manyManifests(ctx context.Context) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	for _, folder := range []string{"mixed", "workloads"} {
		c.say("  %s: check and the floor take turns, %d times", folder, c.Rounds)
		costs, err := c.turns("manifests="+folder, c.Rounds, []string{"floor", "posture"}, arms{
			"floor":   func() (cost, error) { return c.run(ctx, 0, self, decodeCommand, folder) },
			"posture": c.posture(ctx, "restricted.yaml", folder),
		})
		if err != nil {
			return err
		}
		wall := ratio("check, "+folder+" manifests, wall over the floor", costs, "floor", wallOf)
		peak := information("check, "+folder+" manifests, peak resident", highest(costs["posture"], residentOf), "MiB")
		if folder == "mixed" {
			wall, peak = wall.must(atMost, 4, 2.5), peak.must(atMost, 256, 160)
		}
		c.results.figure(wall)
		c.results.figure(ratio("check, "+folder+" manifests, CPU over the floor", costs, "floor", cpuTimeOf))
		c.results.figure(peak)
	}
	return nil
}

func (c *checking) againstKubeScore(ctx context.Context) error {
	peer := filepath.Join(c.Peers, kubeScore)
	if !c.built(peer) {
		return nil
	}
	c.say("  %d Deployments: check and kube-score take turns, %d times", c.Deployments, c.Rounds)
	costs, err := c.turns("deployments/peer=kube-score", c.Rounds, []string{kubeScore, "posture"}, arms{
		kubeScore: func() (cost, error) { return c.run(ctx, 1, peer, "score", "-o", "json", "deployments.yaml") },
		"posture": c.posture(ctx, "rules.yaml", "deployments.yaml"),
	})
	if err != nil {
		return err
	}
	c.results.figure(
		ratio("check, Deployments, wall over kube-score", costs, kubeScore, wallOf).must(atMost, 1.5, 1),
	)
	c.results.figure(ratio("check, Deployments, CPU over kube-score", costs, kubeScore, cpuTimeOf))
	return nil
}

func (c *checking) againstKyverno(ctx context.Context) error {
	peer := filepath.Join(c.Peers, kyverno)
	if !c.built(peer) {
		return nil
	}
	policies, err := exec.CommandContext(ctx, c.Plugin, "render", "-f", filepath.Join(c.dir, "rules.yaml")).Output()
	if err != nil {
		return fmt.Errorf("rendering the policies: %w", err)
	}
	if err := c.put("policies.yaml", string(policies)); err != nil {
		return err
	}
	c.say("  %d Deployments: Kyverno, once (3 minutes)", c.Deployments)
	costs, err := c.turns("deployments/peer=kyverno", 1, []string{"posture", kyverno}, arms{
		kyverno: func() (cost, error) {
			return c.run(ctx, 1, peer, "apply", "policies.yaml", "--resource", "deployments.yaml", "-f", "values.yaml")
		},
		"posture": c.posture(ctx, "rules.yaml", "deployments.yaml"),
	})
	if err != nil {
		return err
	}
	c.results.figure(
		ratio("check, Deployments, wall over Kyverno", costs, kyverno, wallOf).must(atMost, 1.0/60, 1.0/120),
	)
	return nil
}

// built reports whether a peer is there, and says how to build it if not.
func (c *checking) built(peer string) bool {
	if _, err := os.Stat(peer); err != nil {
		c.say("  %s is not there: make peers builds it", peer)
		return false
	}
	return true
}

// short measures what a person waits for.
func (c *checking) short(ctx context.Context) error {
	costs, err := c.turns("short", 5*c.Rounds, []string{"help", "one"}, arms{
		"help": func() (cost, error) { return c.run(ctx, 0, c.Plugin, "--help") },
		"one":  c.posture(ctx, "restricted.yaml", "one.yaml"),
	})
	if err != nil {
		return err
	}
	c.results.figure(information("check, --help, wall", 1000*middle(costs["help"], wallOf), "ms").must(atMost, 80, 50))
	c.results.figure(information("check, one file, wall", 1000*middle(costs["one"], wallOf), "ms").must(atMost, 300, 200))
	return nil
}

func wallOf(c cost) float64     { return c.wall }
func cpuTimeOf(c cost) float64  { return c.cpu }
func residentOf(c cost) float64 { return c.resident }

func middle(costs []cost, of func(cost) float64) float64 { return percentile(valuesOf(costs, of), 50) }

func highest(costs []cost, of func(cost) float64) float64 {
	return percentile(valuesOf(costs, of), 100)
}

func valuesOf(costs []cost, of func(cost) float64) []float64 {
	values := make([]float64, len(costs))
	for i := range costs {
		values[i] = of(costs[i])
	}
	return values
}

// ratio is the median of kubectl posture over that of another.
func ratio(name string, costs map[string][]cost, other string, of func(cost) float64) figure {
	ours, theirs := middle(costs["posture"], of), middle(costs[other], of)
	return figure{Name: name, Value: ours / theirs}.because("posture %.2f s, %s %.2f s", ours, other, theirs)
}
