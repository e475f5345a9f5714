package emulated

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubeadm-arm/kubeadm-arm/lab/board"
	"github.com/kubeadm-arm/kubeadm-arm/lab/cgroup"
)

func TestEmulatedBoardsConfig(t *testing.T) {
	assert.Equal(t, []string{"raspberrypi1", "cubieboard", "bananapi", "rk3328", "amd64"}, Kinds())
	own := func(kind string) map[string][]byte {
		b, err := Of(&board.Board{Name: "b1", Version: "v1.37.2", NodeIP: "10.88.0.2", Emulated: kind})
		require.NoError(t, err)
		files, err := b.ownFiles()
		require.NoError(t, err)
		return files
	}
	files := own("bananapi")
	text := string(files["/etc/kubeadm-lab.yaml"])
	for _, has := range []string{"cgroupDriver: systemd\n", "ignorePreflightErrors: [NumCPU, Mem]\n",
		"    - name: ETCD_UNSUPPORTED_ARCH\n      value: arm\n---", "  name: b1\n"} {
		assert.Contains(t, text, has)
	}
	assert.NotContains(t, text, "failCgroupV1")
	assert.Equal(t, "127.0.0.1 localhost\n::1 localhost\n10.88.0.2 b1\n", string(files["/etc/hosts"]))

	files = own("raspberrypi1")
	assert.Contains(t, string(files["/etc/kubeadm-lab.yaml"]),
		"ignorePreflightErrors: [NumCPU, Mem, SystemVerification]\n")

	files = own("rk3328")
	assert.NotContains(t, string(files["/etc/kubeadm-lab.yaml"]), "ETCD_UNSUPPORTED_ARCH")
	assert.NotContains(t, string(files["/etc/kubeadm-lab.yaml"]), "NumCPU")
}

func TestEmulatedBoardSize(t *testing.T) {
	b, err := Of(&board.Board{Emulated: "cubieboard"})
	require.NoError(t, err)
	cores, memory := b.size()
	assert.Equal(t, 1, cores)
	assert.EqualValues(t, 1<<30, memory)
	b.Limits = cgroup.Limits{CPUs: 3, Memory: 512 << 20}
	cores, memory = b.size()
	assert.Equal(t, 3, cores)
	assert.EqualValues(t, 512<<20, memory)
}

func TestUpRefusesWhatQEMUCannotDo(t *testing.T) {
	t.Setenv("KUBEADM_ARM_CACHE", t.TempDir())
	for want, c := range map[string]struct {
		o board.Options
		m Options
		d board.Disk
	}{
		"want one of raspberrypi1, cubieboard, bananapi, rk3328": {o: board.Options{Name: "b"},
			m: Options{Kind: "orangepi"}},
		"one core, 512 MiB": {o: board.Options{Name: "b", Limits: cgroup.Limits{CPUs: 2}},
			m: Options{Kind: "raspberrypi1"}},
		"no disk but its card": {o: board.Options{Name: "b"},
			m: Options{Kind: "raspberrypi1", Disks: []int64{1 << 20}}},
		"takes --cpus and --memory": {o: board.Options{Name: "b", Limits: cgroup.Limits{CPU: 0.05}},
			m: Options{Kind: "bananapi"}},
		"as slow as QEMU": {o: board.Options{Name: "b"}, m: Options{Kind: "bananapi"},
			d: board.Disk{Rate: 1}},
		"as in a hostname": {o: board.Options{Name: "B!"}, m: Options{Kind: "bananapi"}},
	} {
		assert.ErrorContains(t, Up(t.Context(), c.o, c.m, c.d), want)
	}
}

func TestRebootKnowsItsDisks(t *testing.T) {
	b, err := Of(&board.Board{Name: "b", Emulated: "bananapi", Disks: []board.ExtraDisk{{Bytes: 1}}})
	require.NoError(t, err)
	for _, n := range []int{0, 2} {
		assert.ErrorContains(t, b.Reboot(t.Context(), RebootOptions{Remove: []int{n}}), "1 more disks")
	}
}

// Every file that systemd or the kernel reads has a line end, and no unit that is
// enabled is missing.
func TestSystemFiles(t *testing.T) {
	files := systemFiles()
	for path, text := range files {
		assert.True(t, strings.HasSuffix(text, "\n"), path)
	}
	for at, to := range systemLinks() {
		if to != "/dev/null" {
			assert.Contains(t, files, to, at)
		}
	}
}
