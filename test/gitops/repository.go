package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// repository is a git repository that repo-server reads by file://.
type repository struct{ dir string }

func newRepository(ctx context.Context, dir string) (*repository, error) {
	r := &repository{dir: dir}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	return r, r.git(ctx, "init", "--quiet", "--initial-branch=main")
}

func (r *repository) url() string { return "file://" + r.dir }

// copy puts a folder into git.
func (r *repository) copy(from, to string) error {
	return os.CopyFS(filepath.Join(r.dir, to), os.DirFS(from))
}

// write puts a file into git.
func (r *repository) write(path, content string) error {
	path = filepath.Join(r.dir, path)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return os.WriteFile(path, []byte(content), 0o600)
}

func (r *repository) remove(path string) error { return os.Remove(filepath.Join(r.dir, path)) }

// commit commits all of it.
func (r *repository) commit(ctx context.Context, message string) error {
	if err := r.git(ctx, "add", "--all"); err != nil {
		return err
	}
	return r.git(ctx, "-c", "user.name=platform", "-c", "user.email=platform@example.com", "-c", "commit.gpgsign=false",
		"commit", "--quiet", "--allow-empty", "-m", message)
}

func (r *repository) git(ctx context.Context, args ...string) error {
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Dir = r.dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("git %v: %w: %s", args, err, out)
	}
	return nil
}
