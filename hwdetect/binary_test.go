package hwdetect

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestRealBinaries builds a program for each CPU and asks what it was built for.
func TestRealBinaries(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(dir+"/go.mod", []byte("module tiny\n\ngo 1.24\n"), 0o600))
	require.NoError(t, os.WriteFile(dir+"/main.go", []byte("package main\n\nfunc main() {}\n"), 0o600))
	pi1 := boardOf(pi1)
	pi1.Model = "Raspberry Pi Model B Rev 2"
	banana, rk := boardOf(bananaPi), boardOf(rk3399)
	for _, x := range []struct {
		arch, arm string
		want      Arch
		onPi1     bool
		onBanana  bool
		onRK      bool
	}{
		{"arm", "5", ARMv5, true, true, true},
		{"arm", "6", ARMv6, true, true, true},
		{"arm", "6,softfloat", ARMv6, true, true, true},
		{"arm", "7", ARMv7, false, true, true},
		{"arm64", "", ARMv8, false, false, true},
		{"amd64", "", AMD64, false, false, false},
	} {
		path := filepath.Join(dir, "kubeadm")
		cmd := exec.Command("go", "build", "-o", path, ".")
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+x.arch, "GOARM="+x.arm, "GOFLAGS=")
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, string(out))
		b, err := ReadBinary(path)
		require.NoError(t, err)
		assert.Equal(t, x.want, b.Arch, "%s %s: %s", x.arch, x.arm, b.Evidence)
		assert.Equal(t, x.onPi1, pi1.Runs(b) == nil, "%s %s on a Pi 1", x.arch, x.arm)
		assert.Equal(t, x.onBanana, banana.Runs(b) == nil, "%s %s on a Banana Pi", x.arch, x.arm)
		assert.Equal(t, x.onRK, rk.Runs(b) == nil, "%s %s on a 64-bit board", x.arch, x.arm)
		if x.arm == "7" {
			err := pi1.Runs(b)
			assert.EqualError(t, err, "kubeadm at "+path+" was built for ARMv7; this CPU is ARMv6 (ARM1176, Raspberry Pi "+
				"Model B Rev 2): it would die with Illegal instruction")
			var bad *IllegalInstructionError
			require.ErrorAs(t, err, &bad)
			assert.Equal(t, "install a build for this CPU; on a PC with Go, this makes one, with all images: kubeadm-arm "+
				"images build --cpu armv6", bad.Hint())
		}
	}
	// An ARM1176 without a floating-point unit, such as Samsung's S3C6410.
	soft := boardOf("processor : 0\nFeatures : swp half thumb fastmult edsp java\nCPU implementer : 0x41\nCPU " +
		"architecture: 7\nCPU part : 0xb76\n")
	for goarm, runs := range map[string]bool{"5": true, "6": false, "6,softfloat": true, "5,hardfloat": false} {
		err := soft.Runs(Binary{Path: "/usr/bin/kubeadm", Machine: "arm", Arch: ARMv5, GOARM: goarm})
		assert.Equal(t, runs, err == nil, goarm)
		if err != nil {
			assert.Contains(t, err.Error(), "uses a floating-point unit (VFP), which this CPU, ARMv6 (ARM1176), lacks")
			assert.Contains(t, err.(*IllegalInstructionError).Hint(), "GOARM=5 ")
		}
	}
	_, err := ReadBinary(dir + "/main.go")
	assert.Error(t, err, "no ELF")
}

// TestHintNamesTheCPU, whatever the program's file is called: kubeadm-v7 is no
// package that go could build.
func TestHintNamesTheCPU(t *testing.T) {
	for _, x := range []struct {
		arch    Arch
		machine string
		want    string
	}{
		{ARMv6, "armv6l", "--cpu armv6"},
		{ARMv7, "armv7l", "--cpu armv7"},
		{ARMv8, "aarch64", "--cpu arm64"},
		{ARMv8, "armv7l", "--cpu armv7"},
		{AMD64, "x86_64", "--cpu amd64"},
		{ARMv5, "armv5tel", "made with GOARM=5 on a PC with Go"},
	} {
		var board Board
		board.CPU.Arch, board.Kernel.Machine = x.arch, x.machine
		hint := (&IllegalInstructionError{Binary{Path: "/opt/kubeadm-v7"}, board}).Hint()
		assert.True(t, strings.HasSuffix(hint, x.want), hint)
		assert.NotContains(t, hint, "cmd/kubeadm-v7")
		if x.arch == AMD64 {
			// Its flags name no VFP, which does not make it an ARM without one.
			board.CPU.noFloat = true
			assert.Equal(t, hint, (&IllegalInstructionError{Binary{Path: "/opt/kubeadm-v7"}, board}).Hint())
		}
	}
}
