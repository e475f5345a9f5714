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
	text := c.text(f)
	files, err := manifests(ctx, kubeadm, c, text, nil)
	if err != nil {
		return err
	}
	if err := clear(to); err != nil {
		return err
	}
	files["kubeadm"] = []byte(text)
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(to, name+".yaml"), text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// manifests returns what a kubeadm writes, by component. It is given the files
// of a folder of patches, if any, as patchesFolder.
func manifests(ctx context.Context, kubeadm string, c config, text string, patches map[string][]byte,
	flags ...string) (map[string][]byte, error) {
	root, err := os.MkdirTemp("", "kubeadm-root-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(root) }()
	if err := fillRoot(root, kubeadm, text); err != nil {
		return nil, err
	}
	if err := os.Mkdir(filepath.Join(root, patchesFolder), 0o755); err != nil {
		return nil, err
	}
	for name, text := range patches {
		if err := os.WriteFile(filepath.Join(root, patchesFolder, name), text, 0o644); err != nil {
			return nil, err
		}
	}
	phases := [][]string{{"control-plane", "all"}, {"etcd", "local"}}
	if c.externalEtcd {
		phases = phases[:1]
	}
	for i := range phases {
		phases[i] = append(phases[i], flags...)
	}
	if strings.Contains(text, "RootlessControlPlane") {
		// Gives the keys to the new users, so they have to be there.
		phases = append([][]string{{"certs", "all"}, {"kubeconfig", "all"}}, phases...)
	}
	for _, p := range phases {
		if err := runIn(ctx, root, append([]string{"init", "phase"},
			append(p, "--config=/kubeadm.yaml")...)); err != nil {
			return nil, err
		}
	}
	written := map[string][]byte{}
	paths, err := filepath.Glob(filepath.Join(root, "etc/kubernetes/manifests/*.yaml"))
	if err != nil {
		return nil, err
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		written[strings.TrimSuffix(filepath.Base(path), ".yaml")] = text
	}
	want := 4
	if c.externalEtcd {
		want = 3
	}
	if len(written) != want {
		return nil, fmt.Errorf("kubeadm wrote %d manifests, not %d", len(written), want)
	}
	return written, nil
}

// patchesFolder is where kubeadm finds patches in its root folder.
const patchesFolder = "/patches"

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
	for _, dir := range []string{"etc/kubernetes", "etc/ssl/certs", "etc/ca-certificates", "usr/share/ca-certificates",
		"usr/local/share/ca-certificates", "tmp"} {
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
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: root,
		Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWUTS | syscall.CLONE_NEWNS | syscall.CLONE_NEWPID}
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("run kubeadm %v: %w\n%s", args, err, out)
	}
	return nil
}
