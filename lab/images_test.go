package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubeadm-arm/kubeadm-arm/lab/kube"
)

func TestTargetOf(t *testing.T) {
	for cpu, want := range map[string]kube.Target{
		"armv6": {Version: "v1.37.2", Arch: "arm", ARM: "6"}, "armv7": {Version: "v1.37.2", Arch: "arm",
			ARM: "7"}, "arm64": {Version: "v1.37.2", Arch: "arm64"},
	} {
		got, err := targetOf("v1.37.2", cpu)
		require.NoError(t, err)
		assert.Equal(t, want, got)
	}
	for _, bad := range [][2]string{{"v1.37.2", ""}, {"v1.37.2", "armv5"}, {"v1.37.2", "arm"}, {"1.37.2", "armv7"},
		{"v1.37", "armv7"}, {"latest", "armv7"}} {
		_, err := targetOf(bad[0], bad[1])
		var usage *usageError
		assert.ErrorAs(t, err, &usage, "%v", bad)
	}
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
		{os.Getenv("PATH"), exitUsage, `flag --kubernetes: "1.37" is no version`,
			[]string{"build", "--cpu", "armv7", "--kubernetes", "1.37"}},
		{os.Getenv("PATH"), exitUsage, "unknown flag: --nonsense", []string{"build", "--nonsense"}},
		{os.Getenv("PATH"), exitUsage, `what to do with "make tea"`, []string{"make", "tea"}},
		{os.Getenv("PATH"), exitUsage, "flag --sysroot: /nonexistent is no folder",
			[]string{"build", "--cpu", "armv7", "--sysroot", "/nonexistent"}},
		{os.Getenv("PATH"), exitUsage, "flag --sources: ",
			[]string{"build", "--cpu", "armv7", "--sources", "/nonexistent"}},
		{"/nonexistent", exitNoTool, `find Go: exec: "go": executable file not found`,
			[]string{"build", "--cpu", "armv7"}},
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

// TestInterruptedImages: a signal gives one line, a hint and 128 + its number.
func TestInterruptedImages(t *testing.T) {
	dir := t.TempDir()
	program := filepath.Join(dir, imagesName)
	out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput()
	require.NoError(t, err, string(out))
	// A go that never ends stands for a long build.
	require.NoError(t, os.WriteFile(filepath.Join(dir, "go"), []byte("#!/bin/sh\n: >"+dir+"/begun\nexec sleep 60\n"),
		0o755))
	cmd := exec.Command(program, "build", "--cpu", "armv7", "--no-iptables", "--out", filepath.Join(dir, "out"))
	cmd.Env = []string{"PATH=" + dir + ":/usr/bin:/bin", "HOME=" + dir, "KUBEADM_ARM_CACHE=" +
		filepath.Join(dir, "cache")}
	stderr, err := cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	require.Eventually(t, func() bool { _, err := os.Stat(filepath.Join(dir, "begun")); return err == nil }, time.Hour,
		10*time.Millisecond)
	require.NoError(t, cmd.Process.Signal(os.Interrupt))
	said, err := io.ReadAll(stderr)
	require.NoError(t, err)
	_ = cmd.Wait()
	assert.Equal(t, 130, cmd.ProcessState.ExitCode())
	assert.Contains(t, string(said), "kubeadm-arm images: interrupted by SIGINT\nhint: what was built is kept")
}

// containerd 1.6 on a Raspberry Pi 1 said "image might be filtered out".
func TestImagesAreImportedOnEveryARM(t *testing.T) {
	text := nextSteps("x", []string{"kubernetes.tar.gz", "images.tar"})
	assert.Contains(t, text, "  ctr -n k8s.io images import --all-platforms images.tar\n")
}
