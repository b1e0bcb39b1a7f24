package main

import (
	"context"
	"fmt"
	"strings"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
)

// leaves writes a profile with this policy of deletion, and makes a namespace for it.
func leaves(ctx context.Context, s *stage, folder, name, policy string) error {
	if err := s.namespace(ctx, name, name); err != nil {
		return err
	}
	return s.repo.write(folder+"/"+name+".yaml", profile(name, "  deletionPolicy: "+policy+"\n"))
}

// prunes has profiles leave git.
func prunes(ctx context.Context, s *stage) error {
	s.title("Profiles leave git")
	const folder = "pruned"
	for name, policy := range map[string]string{"stays": "Delete", "leaves": "Delete", "leaves-retained": "Retain"} {
		if err := leaves(ctx, s, folder, name, policy); err != nil {
			return err
		}
	}
	if err := s.commit(ctx, "Three profiles"); err != nil {
		return err
	}
	a := application{name: folder, path: folder, namespace: "default"}
	if err := s.create(ctx, a); err != nil {
		return err
	}
	if seen, good := s.settled(ctx, a.name); !good {
		return fmt.Errorf("three profiles are not synced: %s", seen)
	}
	s.until(ctx, func() bool { return s.ready(ctx, "leaves") == 1 && s.ready(ctx, "leaves-retained") == 1 })
	for _, name := range []string{"leaves", "leaves-retained"} {
		if err := s.repo.remove(folder + "/" + name + ".yaml"); err != nil {
			return err
		}
	}
	if err := s.commit(ctx, "Two of them leave", a.name); err != nil {
		return err
	}
	seen, good := gone(ctx, s, "leaves", "leaves-retained")
	shown, settled := s.settled(ctx, a.name)
	s.table.add("two of three profiles leave git, one with deletionPolicy Retain",
		"pruned; one baseline goes, the other stays without an owner; the Application is Synced, Healthy",
		seen+"; "+shown, good && settled)
	return nil
}

// deletesApplications deletes Applications with their resources.
func deletesApplications(ctx context.Context, s *stage) error {
	s.title("Applications are deleted with their resources")
	for name, policy := range map[string]string{"cascade": "Delete", "cascade-retained": "Retain"} {
		if err := leaves(ctx, s, name, name, policy); err != nil {
			return err
		}
	}
	if err := s.commit(ctx, "Profiles for Applications that go"); err != nil {
		return err
	}
	for _, name := range []string{"cascade", "cascade-retained"} {
		if err := s.create(ctx, application{name: name, path: name, namespace: "default", cascade: true}); err != nil {
			return err
		}
	}
	for _, name := range []string{"cascade", "cascade-retained"} {
		if seen, good := s.settled(ctx, name); !good {
			return fmt.Errorf("the Application %s is not synced: %s", name, seen)
		}
		s.until(ctx, func() bool { return s.ready(ctx, name) == 1 })
	}
	const what = "an Application is deleted with its profile, deletionPolicy Delete"
	if err := deletesWith(ctx, s, "cascade", what, "cascade"); err != nil {
		return err
	}
	return deletesWith(ctx, s, "cascade-retained", "the same with deletionPolicy Retain", "cascade-retained")
}

// deletesWith deletes an Application that deletes its resources.
func deletesWith(ctx context.Context, s *stage, name, what string, profiles ...string) error {
	if err := s.client.Delete(ctx, application{name: name}.object("")); err != nil {
		return err
	}
	ended := s.until(ctx, func() bool { return s.application(ctx, name).GetUID() == "" })
	seen, good := gone(ctx, s, profiles...)
	application := "the Application is gone"
	if !ended {
		application = "the Application is still there: " + s.shown(ctx, name)
	}
	s.table.add(what, "Application and profiles go; the baseline as the policy says",
		strings.TrimSuffix(application+"; "+seen, "; "), good && ended)
	return nil
}

// gone waits until profiles are gone and their baselines are as they should be: away, or without an
// owner.
func gone(ctx context.Context, s *stage, profiles ...string) (seen string, good bool) {
	good = true
	for _, name := range profiles {
		retained := len(name) > 8 && name[len(name)-8:] == "retained"
		away := func() bool {
			return s.client.Get(ctx, client.ObjectKey{Name: name}, &v1alpha1.SecurityProfile{}) != nil
		}
		ended := s.until(ctx, func() bool { return away() && (retained || len(s.named(ctx, name)) == 0) })
		objects, owned := s.named(ctx, name), 0
		for _, o := range objects {
			if len(o.GetOwnerReferences()) > 0 {
				owned++
			}
		}
		good = good && ended && owned == 0 && (len(objects) > 0) == retained
		seen += fmt.Sprintf("profile %s gone: %v, %d objects of its baseline are there, %d with an owner; ",
			name, away(), len(objects), owned)
	}
	return short(seen[:max(0, len(seen)-2)]), good
}
