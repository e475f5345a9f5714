package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubeadm-arm/kubeadm-arm/lab/emulate"
)

func TestWholeBoardsConfig(t *testing.T) {
	assert.Equal(t, []string{"raspberrypi1", "cubieboard", "bananapi", "rk3328", "amd64"}, wholeBoards())
	b := &board{Name: "b1", Version: "v1.37.2", NodeIP: "10.88.0.2", Emulated: "bananapi"}
	files, err := b.ownFiles()
	require.NoError(t, err)
	text := string(files["/etc/kubeadm-lab.yaml"])
	for _, has := range []string{"cgroupDriver: systemd\n", "ignorePreflightErrors: [NumCPU, Mem]\n", "    - name: ETCD_UNSUPPORTED_ARCH\n      value: arm\n---", "  name: b1\n"} {
		assert.Contains(t, text, has)
	}
	assert.NotContains(t, text, "failCgroupV1")
	assert.Equal(t, "127.0.0.1 localhost\n::1 localhost\n10.88.0.2 b1\n", string(files["/etc/hosts"]))

	b.Emulated = "raspberrypi1"
	files, err = b.ownFiles()
	require.NoError(t, err)
	assert.Contains(t, string(files["/etc/kubeadm-lab.yaml"]), "ignorePreflightErrors: [NumCPU, Mem, SystemVerification]\n")

	b.Emulated = "rk3328"
	files, err = b.ownFiles()
	require.NoError(t, err)
	assert.NotContains(t, string(files["/etc/kubeadm-lab.yaml"]), "ETCD_UNSUPPORTED_ARCH")
	assert.NotContains(t, string(files["/etc/kubeadm-lab.yaml"]), "NumCPU")
}

func TestWholeBoardSize(t *testing.T) {
	e, err := emulate.Find("cubieboard")
	require.NoError(t, err)
	b := &board{Emulated: "cubieboard"}
	cores, memory := b.size(e)
	assert.Equal(t, 1, cores)
	assert.EqualValues(t, 1<<30, memory)
	b.Limits = limits{CPUs: 3, Memory: 512 << 20}
	cores, memory = b.size(e)
	assert.Equal(t, 3, cores)
	assert.EqualValues(t, 512<<20, memory)
}

func TestUpWholeRefusesWhatItCannotDo(t *testing.T) {
	t.Setenv("KUBEADM_ARM_CACHE", t.TempDir())
	for want, o := range map[string]upOptions{
		"want one of raspberrypi1, cubieboard, bananapi, rk3328": {name: "b", board: "orangepi"},
		"one core, 512 MiB":         {name: "b", board: "raspberrypi1", limits: limits{CPUs: 2}},
		"no disk but its card":      {name: "b", board: "raspberrypi1", disks: []int64{1 << 20}},
		"takes --cpus and --memory": {name: "b", board: "bananapi", limits: limits{CPU: 0.05}},
		"as in a hostname":          {name: "B!", board: "bananapi"},
	} {
		assert.ErrorContains(t, upWhole(t.Context(), o), want)
	}
}

func TestRebootWholeKnowsItsDisks(t *testing.T) {
	b := &board{Name: "b", Emulated: "bananapi", Disks: []extraDisk{{Bytes: 1}}}
	for _, n := range []int{0, 2} {
		assert.ErrorContains(t, b.rebootWhole(t.Context(), rebootOptions{remove: []int{n}}), "1 more disks")
	}
}

func TestExtraDisksAreSizes(t *testing.T) {
	var sizes []int64
	v := bytesList{&sizes}
	require.NoError(t, v.Set("256MiB"))
	require.NoError(t, v.Set("1GiB"))
	assert.Equal(t, []int64{256 << 20, 1 << 30}, sizes)
	require.Error(t, v.Set("big"))
}

// Every file that systemd or the kernel reads has a line end, and no unit that is
// enabled is missing.
func TestWholeFiles(t *testing.T) {
	files := wholeFiles()
	for path, text := range files {
		assert.True(t, strings.HasSuffix(text, "\n"), path)
	}
	for at, to := range wholeLinks() {
		if to != "/dev/null" {
			assert.Contains(t, files, to, at)
		}
	}
}
