package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestSameInputsSameArchive: a real program built twice, in two folders, and
// packed twice gives the same bytes, and they are a docker archive.
func TestSameInputsSameArchive(t *testing.T) {
	t.Setenv("KUBEADM_ARM_CACHE", t.TempDir())
	var archives, programs [][]byte
	for range 2 {
		dir, arm := t.TempDir(), target{"v1.37.2", "arm", "6"}
		module, err := pauseModule()
		require.NoError(t, err)
		require.NoError(t, goBuild(t.Context(), module, arm, filepath.Join(dir, "pause"), "-s -w", "pause"))
		images := map[string]v1.Image{}
		for _, p := range []string{"pause", "etcd", "coredns", "kube-scheduler"} {
			if p != "pause" {
				require.NoError(t, os.WriteFile(filepath.Join(dir, p), []byte(p), 0o755))
			}
			images["registry.k8s.io/"+p+":1"], err = image(dir, "", p, arm)
			require.NoError(t, err)
		}
		to := filepath.Join(dir, "images.tar")
		require.NoError(t, writeArchive(to, images))
		text, err := os.ReadFile(to)
		require.NoError(t, err)
		archives = append(archives, text)

		info, err := describe(filepath.Join(dir, "pause"), arm)
		require.NoError(t, err)
		assert.Equal(t, []string{"arm", "6", "pause"}, []string{info.GOARCH, info.GOARM, info.Name})
		_, err = describe(filepath.Join(dir, "pause"), target{"v1.37.2", "arm", "7"})
		assert.ErrorContains(t, err, "not for armv7")

		for _, p := range nodePrograms() {
			require.NoError(t, os.WriteFile(filepath.Join(dir, p), []byte(p), 0o755))
		}
		require.NoError(t, writePrograms(filepath.Join(dir, "programs.tar.gz"), dir))
		text, err = os.ReadFile(filepath.Join(dir, "programs.tar.gz"))
		require.NoError(t, err)
		programs = append(programs, text)

		tag, err := name.NewTag("registry.k8s.io/etcd:1")
		require.NoError(t, err)
		etcd, err := tarball.ImageFromPath(to, &tag)
		require.NoError(t, err, "another reader of docker archives")
		config, err := etcd.ConfigFile()
		require.NoError(t, err)
		assert.Contains(t, config.Config.Env, "ETCD_UNSUPPORTED_ARCH=arm")
	}
	assert.True(t, bytes.Equal(archives[0], archives[1]), "image archives differ")
	assert.True(t, bytes.Equal(programs[0], programs[1]), "archives of programs differ")

	r, err := gzip.NewReader(bytes.NewReader(programs[0]))
	require.NoError(t, err)
	files := tarFiles(t, r)
	assert.Equal(t, "kubelet", files["usr/bin/kubelet"])
	assert.Contains(t, files["usr/lib/systemd/system/kubelet.service.d/10-kubeadm.conf"], "$KUBELET_KUBEADM_ARGS")
	assert.Len(t, files, 5, "no folder whose mode the board's would take on")
}

func TestManifestOfArchive(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "pause"), []byte("x"), 0o755))
	img, err := image(dir, "", "pause", target{"v1.37.2", "amd64", ""})
	require.NoError(t, err)
	to := filepath.Join(dir, "a.tar")
	require.NoError(t, writeArchive(to, map[string]v1.Image{"registry.k8s.io/pause:3.10": img, "registry.k8s.io/pause:3.9": img}))
	f, err := os.Open(to)
	require.NoError(t, err)
	defer f.Close()
	files := tarFiles(t, f)
	var m tarball.Manifest
	require.NoError(t, json.Unmarshal([]byte(files["manifest.json"]), &m))
	require.Len(t, m, 2)
	assert.Equal(t, []string{"registry.k8s.io/pause:3.10"}, m[0].RepoTags)
	assert.Len(t, files, 3, "one image under two names is there once")
}

func TestTargetOf(t *testing.T) {
	for cpu, want := range map[string]target{"armv6": {"v1.37.2", "arm", "6"}, "armv7": {"v1.37.2", "arm", "7"}, "arm64": {"v1.37.2", "arm64", ""}} {
		got, err := targetOf("v1.37.2", cpu)
		require.NoError(t, err)
		assert.Equal(t, want, got)
		assert.Equal(t, cpu, cpuName(got))
	}
	for _, bad := range [][2]string{{"v1.37.2", ""}, {"v1.37.2", "armv5"}, {"v1.37.2", "arm"}, {"1.37.2", "armv7"}, {"v1.37", "armv7"}, {"latest", "armv7"}} {
		_, err := targetOf(bad[0], bad[1])
		var usage *usageError
		assert.ErrorAs(t, err, &usage, "%v", bad)
	}
	assert.NotContains(t, imagePackages(target{"v1.37.2", "arm", "6"}), "dash", "it would bring dpkg and tar")
	assert.Equal(t, "armel", debianArch(target{"v1.37.2", "arm", "6"}))
	assert.Equal(t, "armhf", debianArch(target{"v1.37.2", "arm", "7"}))
	assert.Equal(t, "arm64", debianArch(target{"v1.37.2", "arm64", ""}))
}

func TestEnoughSpace(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "not", "there", "yet")
	require.NoError(t, enoughSpace(dir, 1))
	err := enoughSpace(dir, 1<<60)
	var full *noSpaceError
	require.ErrorAs(t, err, &full)
	assert.Contains(t, err.Error(), dir)
}

// TestImagesCommand calls the real program under its owner's name: every wrong
// call is one line, one hint and a code of its own, and writes nothing.
func TestImagesCommand(t *testing.T) {
	dir := t.TempDir()
	program := filepath.Join(dir, imagesName)
	build := exec.Command("go", "build", "-o", program, ".")
	out, err := build.CombinedOutput()
	require.NoError(t, err, string(out))
	run := func(path string, args ...string) (int, string, string) {
		cmd := exec.Command(program, args...)
		cmd.Dir = t.TempDir()
		cmd.Env = []string{"PATH=" + path, "HOME=" + dir, "KUBEADM_ARM_CACHE=" + filepath.Join(dir, "cache")}
		var stdout, stderr bytes.Buffer
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		err := cmd.Run()
		code := 0
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			code = exit.ExitCode()
		} else {
			require.NoError(t, err)
		}
		left, err := os.ReadDir(cmd.Dir)
		require.NoError(t, err)
		assert.Empty(t, left, "%v", args)
		return code, stdout.String(), stderr.String()
	}
	code, stdout, stderr := run(os.Getenv("PATH"), "--help")
	assert.Equal(t, 0, code)
	assert.Contains(t, stdout, "--cpu CPU")
	assert.Empty(t, stderr)
	for _, c := range []struct {
		path string
		code int
		says string
		args []string
	}{
		{os.Getenv("PATH"), exitUsage, "flag --cpu is missing", []string{"build"}},
		{os.Getenv("PATH"), exitUsage, `flag --cpu: "armv5" is not`, []string{"build", "--cpu", "armv5"}},
		{os.Getenv("PATH"), exitUsage, `flag --kubernetes: "1.37" is no version`, []string{"build", "--cpu", "armv7", "--kubernetes", "1.37"}},
		{os.Getenv("PATH"), exitUsage, "unknown flag: --nonsense", []string{"build", "--nonsense"}},
		{os.Getenv("PATH"), exitUsage, `what to do with "make tea"`, []string{"make", "tea"}},
		{os.Getenv("PATH"), exitUsage, "flag --sysroot: /nonexistent is no folder", []string{"build", "--cpu", "armv7", "--sysroot", "/nonexistent"}},
		{os.Getenv("PATH"), exitUsage, "flag --sources: ", []string{"build", "--cpu", "armv7", "--sources", "/nonexistent"}},
		{"/nonexistent", exitNoTool, `find Go: exec: "go": executable file not found`, []string{"build", "--cpu", "armv7"}},
	} {
		code, stdout, stderr := run(c.path, c.args...)
		assert.Equal(t, c.code, code, "%v: %s", c.args, stderr)
		assert.Empty(t, stdout, "%v", c.args)
		lines := strings.Split(strings.TrimSpace(stderr), "\n")
		require.Len(t, lines, 2, "%v: %s", c.args, stderr)
		assert.Contains(t, lines[0], "kubeadm-arm images: "+c.says)
		assert.True(t, strings.HasPrefix(lines[1], "hint: "), lines[1])
	}
}

// TestDebianRootSays what is missing where apt is not.
func TestDebianRootSays(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, _, err := debianRoot(context.Background(), target{"v1.37.2", "arm", "7"}, "")
	var none *noNetfilterError
	require.ErrorAs(t, err, &none)
	assert.ErrorContains(t, err, "no apt-get here")
}

// TestInterruptedImages: a signal gives one line, a hint and 128 + its number.
func TestInterruptedImages(t *testing.T) {
	dir := t.TempDir()
	program := filepath.Join(dir, imagesName)
	out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput()
	require.NoError(t, err, string(out))
	// A go that never ends stands for a long build.
	require.NoError(t, os.WriteFile(filepath.Join(dir, "go"), []byte("#!/bin/sh\n: >"+dir+"/begun\nexec sleep 60\n"), 0o755))
	cmd := exec.Command(program, "build", "--cpu", "armv7", "--no-iptables", "--out", filepath.Join(dir, "out"))
	cmd.Env = []string{"PATH=" + dir + ":/usr/bin:/bin", "HOME=" + dir, "KUBEADM_ARM_CACHE=" + filepath.Join(dir, "cache")}
	stderr, err := cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	require.Eventually(t, func() bool { _, err := os.Stat(filepath.Join(dir, "begun")); return err == nil }, time.Hour, 10*time.Millisecond)
	require.NoError(t, cmd.Process.Signal(os.Interrupt))
	said, err := io.ReadAll(stderr)
	require.NoError(t, err)
	_ = cmd.Wait()
	assert.Equal(t, 130, cmd.ProcessState.ExitCode())
	assert.Contains(t, string(said), "kubeadm-arm images: interrupted by SIGINT\nhint: what was built is kept")
}

// containerd 1.6 on a Raspberry Pi 1 said "image might be filtered out".
func TestImagesAreImportedOnEveryARM(t *testing.T) {
	text := bundle{out: "x"}.next([]string{"kubernetes.tar.gz", "images.tar"})
	assert.Contains(t, text, "  ctr -n k8s.io images import --all-platforms images.tar\n")
}
