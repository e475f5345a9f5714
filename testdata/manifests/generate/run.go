package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// writeManifests has a kubeadm write its manifests for a config, and puts them
// with the config into a folder, in place of those that are there.
func writeManifests(ctx context.Context, kubeadm string, f form, c config, to string) error {
	root, err := os.MkdirTemp("", "kubeadm-root-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(root) }()
	text := c.text(f)
	if err := fillRoot(root, kubeadm, text); err != nil {
		return err
	}
	phases := [][]string{{"control-plane", "all"}, {"etcd", "local"}}
	if c.externalEtcd {
		phases = phases[:1]
	}
	if strings.Contains(text, "RootlessControlPlane") {
		// Gives the keys to the new users, so they have to be there.
		phases = append([][]string{{"certs", "all"}, {"kubeconfig", "all"}}, phases...)
	}
	for _, p := range phases {
		if err := runIn(ctx, root, append([]string{"init", "phase"}, append(p, "--config=/kubeadm.yaml")...)); err != nil {
			return err
		}
	}
	files, err := filepath.Glob(filepath.Join(root, "etc/kubernetes/manifests/*.yaml"))
	if err != nil {
		return err
	}
	want := 4
	if c.externalEtcd {
		want = 3
	}
	if len(files) != want {
		return fmt.Errorf("kubeadm wrote %d manifests, not %d", len(files), want)
	}
	if err := clear(to); err != nil {
		return err
	}
	for _, f := range append(files, filepath.Join(root, "kubeadm.yaml")) {
		text, err := os.ReadFile(f)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(to, filepath.Base(f)), text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// clear makes the folder and takes older manifests away. The differences beside
// them belong to package patch's test.
func clear(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	old, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	if err != nil {
		return err
	}
	for _, f := range old {
		if err := os.Remove(f); err != nil {
			return err
		}
	}
	return nil
}

// fillRoot makes a root folder with the static kubeadm, its config, and what
// kubeadm looks at: it mounts those of Debian's certificate folders that are
// there, and the gate RootlessControlPlane adds users.
func fillRoot(root, kubeadm, config string) error {
	var failed error
	for _, dir := range []string{"etc/kubernetes", "etc/ssl/certs", "etc/ca-certificates", "usr/share/ca-certificates", "usr/local/share/ca-certificates", "tmp"} {
		failed = errors.Join(failed, os.MkdirAll(filepath.Join(root, dir), 0o755))
	}
	for _, f := range []struct {
		name, text string
		mode       fs.FileMode
	}{
		{"kubeadm.yaml", config, 0o644},
		{"etc/passwd", "root:x:0:0:root:/root:/bin/sh\n", 0o644},
		{"etc/group", "root:x:0:\n", 0o644},
		{"etc/login.defs", "SYS_UID_MIN 100\nSYS_UID_MAX 999\nSYS_GID_MIN 100\nSYS_GID_MAX 999\n", 0o644},
	} {
		failed = errors.Join(failed, os.WriteFile(filepath.Join(root, f.name), []byte(f.text), f.mode))
	}
	if failed != nil {
		return failed
	}
	program, err := os.ReadFile(kubeadm)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(root, "kubeadm"), program, 0o755)
}

// runIn runs kubeadm in a root folder of its own, without a network, without the
// caller's environment: kubeadm would write proxy settings into the manifests.
func runIn(ctx context.Context, root string, args []string) error {
	cmd := exec.CommandContext(ctx, "/kubeadm", args...)
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=/", "HOME=/"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: root, Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWUTS | syscall.CLONE_NEWNS | syscall.CLONE_NEWPID}
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("run kubeadm %v: %w\n%s", args, err, out)
	}
	return nil
}
