// Package upgrade tests the way from an older commit to this one and back again, on a control plane
// that is watched at each instant: no namespace may be without its baseline, and what a profile
// refuses must be refused. It knows releases by their manifests and binaries, and must never import
// what is particular to one version of the API.
package upgrade

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/bulwark-dev/bulwark/internal/operator"
	"github.com/bulwark-dev/bulwark/test/framework/controlplane"
)

// TestUpgradeAndDowngrade walks up and down. make upgrade-test builds the older release, which lies
// in the folder UPGRADE_FROM.
func TestUpgradeAndDowngrade(t *testing.T) {
	folder := os.Getenv("UPGRADE_FROM")
	if folder == "" {
		t.Skip("make upgrade-test runs this: UPGRADE_FROM is not set")
	}
	old := release{folder: folder, binary: filepath.Join(folder, "bin", "manager")}
	ctx := t.Context()
	plane, err := controlplane.Start(ctx)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if kept := os.Getenv("UPGRADE_LOGS"); kept != "" {
			t.Log(plane.KeepLogs(kept))
		}
		if err := plane.Stop(); err != nil {
			t.Error(err)
		}
	})
	ctrllog.SetLogger(logr.Discard())
	plane.Config.WarningHandler = rest.NoWarnings{}
	admin, err := client.NewWithWatch(plane.Config, client.Options{Scheme: operator.Scheme()})
	if err != nil {
		t.Fatal(err)
	}
	s := &story{
		t: t, plane: plane, admin: admin, began: time.Now(), took: map[string]time.Duration{},
		namespaces: map[string][]string{}, guards: guards(), probes: probes(),
	}
	t.Cleanup(func() {
		for _, o := range s.operators {
			o.Kill()
		}
	})
	s.walk(ctx, old, present())
}

// walk is the guide, step by step.
func (s *story) walk(ctx context.Context, old, present release) {
	var before, up, down map[string]managed
	var former, form string
	s.doing("the older release governs", func() (err error) {
		if err := s.install(ctx, old); err != nil {
			return err
		}
		if s.operators, err = old.roll(ctx, s.plane, nil); err != nil {
			return err
		}
		if former, err = s.formOf(ctx); err != nil {
			return err
		}
		if err := s.createNamespaces(ctx); err != nil {
			return err
		}
		if _, err := kubectl(ctx, s.plane, "apply", "-f", formPath(former)); err != nil {
			return err
		}
		return s.settled(ctx, 40)
	})
	watching, end := context.WithCancel(ctx)
	defer end()
	s.doing("nothing is done yet", func() (err error) {
		if before, err = s.baselines(ctx); err != nil {
			return err
		}
		return s.watch(watching)
	})
	s.doing("up: permissions", func() error { return present.apply(ctx, s.plane, "rbac") })
	if former != forms[0] {
		s.doing("up: the operator alone, which is wrong", func() error { return s.early(ctx, present) })
	}
	s.doing("up: CRDs", func() error { return present.apply(ctx, s.plane, "crd") })
	s.doing("up: operator", func() (err error) {
		s.operators, err = present.roll(ctx, s.plane, s.operators)
		return err
	})
	s.doing("up: a namespace is created before the profiles are", func() error { return s.late(ctx, former) })
	s.doing("up: profiles", func() (err error) {
		if form, err = s.formOf(ctx); err != nil {
			return err
		}
		s.replace(ctx, former, form)
		return s.settled(ctx, 42)
	})
	s.doing("the present release governs", func() (err error) {
		up, err = s.baselines(ctx)
		return err
	})
	s.doing("down: the operator is stopped", s.stop)
	s.doing("down: CRDs", func() error { return old.apply(ctx, s.plane, "crd") })
	s.doing("down: profiles", func() error { s.replace(ctx, form, former); return nil })
	s.doing("down: permissions and operator", func() (err error) {
		if err := old.apply(ctx, s.plane, "rbac"); err != nil {
			return err
		}
		if s.operators, err = old.roll(ctx, s.plane, nil); err != nil {
			return err
		}
		return s.settled(ctx, 42)
	})
	s.doing("the older release governs again", func() (err error) {
		down, err = s.baselines(ctx)
		return err
	})
	end()
	s.print()
	s.compare("up", before, up)
	s.compare("down", before, down)
}

// install installs a release but for its Deployment.
func (s *story) install(ctx context.Context, r release) error {
	for _, part := range []string{"manager/namespace.yaml", "crd", "rbac"} {
		if err := r.apply(ctx, s.plane, part); err != nil {
			return err
		}
	}
	_, err := kubectl(ctx, s.plane, "wait", "--for=condition=Established", "crd", "-l", "!nothing", "--timeout=60s")
	return err
}

func (s *story) stop() error {
	var failed error
	for _, o := range s.operators {
		failed = cmp.Or(failed, o.Terminate())
	}
	s.operators = nil
	return failed
}

// early starts an operator before the CRDs are its own. It must not become ready, and must say why:
// then no Deployment goes on to replace the former replicas.
func (s *story) early(ctx context.Context, r release) error {
	operator, err := r.run(ctx, s.plane)
	if err != nil {
		return err
	}
	defer operator.Kill()
	err = eventually(ctx, time.Minute, func() error {
		lines, err := s.plane.SearchLogs("not those of this operator")
		if len(lines) == 0 {
			return cmp.Or(err, errors.New("the operator does not say that the CRDs are older"))
		}
		fmt.Printf("         %.400s\n", lines[0])
		return nil
	})
	if operator.Ready() {
		return errors.New("the operator is ready, though the CRDs are older")
	}
	return err
}

// late creates namespaces while the stored profiles are still of the former form, which the
// profiles must say.
func (s *story) late(ctx context.Context, former string) error {
	for _, tier := range []string{"prod", "digests"} {
		if err := s.createNamespace(ctx, tier+"-late", tier); err != nil {
			return err
		}
	}
	if former == forms[0] {
		return nil
	}
	for _, name := range []string{"restricted", "digests"} {
		if err := s.saysInvalid(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

// saysInvalid waits until a profile of a former form says that it is, by its status or by an event.
func (s *story) saysInvalid(ctx context.Context, name string) error {
	return eventually(ctx, time.Minute, func() error {
		profiles, err := s.profiles(ctx)
		if err != nil {
			return err
		}
		for _, p := range profiles {
			if c := condition(p, "Stalled"); p.GetName() == name && c["status"] == "True" {
				fmt.Printf("         %s: Stalled: %v\n", name, c["message"])
				return nil
			}
		}
		said, err := kubectl(ctx, s.plane, "get", "events", "-A", "-o", "jsonpath={.items[*].message}",
			"--field-selector=reason=ProfileInvalid,involvedObject.name="+name)
		if err == nil && said == "" {
			err = fmt.Errorf("profile %s does not say that it is invalid", name)
		}
		if err == nil {
			fmt.Printf("         %s: event ProfileInvalid: %s\n", name, said)
		}
		return err
	})
}

// replace gives the stored profiles another form, and says which of kubectl's ways do it.
func (s *story) replace(ctx context.Context, from, to string) {
	s.t.Helper()
	if from == to {
		return
	}
	for _, way := range [][]string{
		{"apply", "--server-side", "--force-conflicts", "--dry-run=server"},
		{"replace", "--dry-run=server"}, {"apply"},
	} {
		out, err := kubectl(ctx, s.plane, append(way, "-f", formPath(to))...)
		fmt.Printf("         kubectl %v: %v\n", way, cmp.Or(fmt.Sprint(err), out))
		if way[0] == "apply" && len(way) == 1 && err != nil {
			s.t.Fatal(err)
		}
	}
}
