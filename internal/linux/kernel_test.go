package linux

import (
	"fmt"
	"math"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const twoCoreStat = `cpu  1000 20 300 40000 500 6 7 80 9 0
cpu0 500 10 150 20000 250 3 3 40 9 0
cpu1 500 10 150 20000 250 3 4 40 0 0
intr 12345 0 0
ctxt 1
`

func TestParseCPUTimes(t *testing.T) {
	got, err := ParseCPUTimes([]byte(twoCoreStat))
	require.NoError(t, err)
	assert.InDelta(t, 13.33, got.Busy, 1e-9)
	assert.InDelta(t, 405, got.Idle, 1e-9)
	assert.InDelta(t, 0.8, got.Steal, 1e-9)
	assert.Equal(t, 2, got.CPUs)

	got, err = ParseCPUTimes([]byte("cpu 1 2 3 4\ncpu0 1 2 3 4\n"))
	require.NoError(t, err, "Linux 2.4 had four fields")
	assert.InDelta(t, 0.06, got.Busy, 1e-9)

	for text, want := range map[string]string{
		"":              "no cpu line",
		"cpu 1 2 3\n":   "4 fields",
		"cpu 1 2 x 4\n": "invalid syntax",
		"cpux 1 2 3 4":  "no cpu line",
	} {
		_, err := ParseCPUTimes([]byte(text))
		assert.ErrorContains(t, err, want, text)
	}
}

func FuzzParseCPUTimes(f *testing.F) {
	f.Add([]byte(twoCoreStat))
	f.Add([]byte("cpu 1 2 3 4"))
	f.Fuzz(func(t *testing.T, text []byte) {
		got, err := ParseCPUTimes(text)
		if err == nil && (got.Busy < 0 || got.Idle < 0 || got.Steal < 0 || math.IsNaN(got.Busy+got.Idle+got.Steal)) {
			t.Fatalf("%q: %+v", text, got)
		}
	})
}

func TestParseThrottled(t *testing.T) {
	for text, want := range map[string]Throttled{
		"0\n": 0, "0x50005\n": 0x50005, "50005": 0x50005, "throttled=0x0\n": 0, "0X10000": 0x10000,
	} {
		got, err := ParseThrottled(text)
		require.NoError(t, err, text)
		assert.Equal(t, want, got, text)
	}
	for _, text := range []string{"", "0x", "-1", "0x100000000", "yes"} {
		_, err := ParseThrottled(text)
		assert.Error(t, err, text)
	}
}

func FuzzParseThrottled(f *testing.F) {
	f.Add("0x50005\n")
	f.Add("throttled=0x0")
	f.Fuzz(func(t *testing.T, text string) {
		word, err := ParseThrottled(text)
		if err != nil {
			return
		}
		again, err := ParseThrottled(fmt.Sprintf("%#x", word))
		if err != nil || again != word {
			t.Fatalf("%q: %x, then %x, %v", text, word, again, err)
		}
	})
}

// The folder of the SoC's bus is called otherwise on kernels of other years.
func TestReadThrottled(t *testing.T) {
	for _, folder := range []string{"soc/soc:firmware", "soc@7e000000/soc:firmware", "soc:firmware", "soc/firmware"} {
		root := fstest.MapFS{"sys/devices/platform/" + folder + "/get_throttled": {Data: []byte("50004\n")}}
		got, ok := ReadThrottled(root)
		require.True(t, ok, folder)
		assert.True(t, got.Since(Undervoltage) && got.Since(SlowedDown), folder)
		assert.True(t, got.Now(SlowedDown) && !got.Now(Undervoltage), folder)
	}
	const word = "sys/devices/platform/soc/soc:firmware/get_throttled"
	_, ok := ReadThrottled(fstest.MapFS{word: {Data: []byte("no word\n")}})
	assert.False(t, ok)
}

func TestParseMeminfo(t *testing.T) {
	m, err := ParseMeminfo([]byte("MemTotal: 1000 kB\nMemFree: 100 kB\nBuffers: 20 kB\nCached: 300 kB\n"))
	require.NoError(t, err, "kernels before 3.14 have no MemAvailable")
	assert.Equal(t, Meminfo{Total: 1000 << 10, Available: 420 << 10}, m)
	m, err = ParseMeminfo([]byte("MemTotal: 1017212 kB\nMemFree: 100 kB\nMemAvailable: 500000 kB\nSwapTotal: 0 " +
		"kB\nnonsense\nMemTotal: x kB\n"))
	require.NoError(t, err, "what cannot be read is skipped")
	assert.Equal(t, Meminfo{Total: 1017212 << 10, Available: 500000 << 10}, m)
	for _, text := range []string{"", "MemTotal: x kB", "MemTotal: 10 MB", "MemTotal: 99999999999999999999 kB"} {
		_, err := ParseMeminfo([]byte(text))
		assert.Error(t, err, text)
	}
}

func FuzzParseMeminfo(f *testing.F) {
	f.Add([]byte("MemTotal: 1000 kB\nMemFree: 100 kB\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if m, err := ParseMeminfo(text); err == nil && m.Total == 0 {
			t.Fatalf("%q: %+v", text, m)
		}
	})
}

const piMounts = `22 1 179:2 / / rw,noatime shared:1 - ext4 /dev/root rw
24 23 0:21 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw
30 22 8:1 / /mnt/a\040disk rw - ext4 /dev/sda1 ro,errors=remount-ro
31 22 0:31 / /mnt/a\040disk/over ro - overlay overlay rw
`

func TestMounts(t *testing.T) {
	all := ParseMounts([]byte(piMounts))
	require.Len(t, all, 4)
	at := all.Holding("/mnt/a disk/etcd")
	assert.Equal(t, "/dev/sda1", at.Source)
	assert.True(t, ReadOnly(at), "the file system is")
	assert.True(t, ReadOnly(all.Holding("/mnt/a disk/over")), "the mount is")
	root := all.Holding("/mnt/a diskette")
	assert.Equal(t, "/", root.Mountpoint, "a longer name is another folder")
	assert.False(t, ReadOnly(root))
	assert.Nil(t, Mounts(nil).Holding("/"))
	assert.Empty(t, ParseMounts([]byte("not of that form\n")))
}

func FuzzParseMounts(f *testing.F) {
	f.Add([]byte(piMounts))
	f.Fuzz(func(_ *testing.T, text []byte) {
		for _, m := range ParseMounts(text) {
			ReadOnly(m)
		}
	})
}

func TestWholeDisk(t *testing.T) {
	for name, want := range map[string]string{
		"mmcblk0p2": "mmcblk0", "mmcblk0": "mmcblk0", "mmcblk0boot12": "mmcblk0boot12", "nvme0n1p1": "nvme0n1",
		"nvme0n1": "nvme0n1", "sda1": "sda", "sda": "sda", "dm-0": "dm-0", "md127": "md127", "": "",
	} {
		assert.Equal(t, want, WholeDisk(name), name)
	}
}

func TestParseDiskWrites(t *testing.T) {
	total := ParseDiskWrites([]byte(` 179       0 mmcblk0 100 0 0 0 500 0 0 75000 0 0 0
 179       1 mmcblk0p1 100 0 0 0 500 0 0 75000 0 0 0
   8       0 sda 1 2 3
   8      16 sdb x 0 0 0 y 0 0 1 0 0 0
`))
	assert.Equal(t, DiskTotal{Writes: 500, Seconds: 75}, total, "partitions are in their disk")
}

func FuzzParseDiskWrites(f *testing.F) {
	f.Add([]byte(" 179 0 mmcblk0 100 0 0 0 500 0 0 75000 0 0 0\n"))
	f.Fuzz(func(_ *testing.T, text []byte) { ParseDiskWrites(text) })
}

func TestCandidates(t *testing.T) {
	var all []string
	for path := range Candidates("/usr/bin:bin::/sbin", "kubelet") {
		all = append(all, path)
	}
	assert.Equal(t, []string{"/usr/bin/kubelet", "/sbin/kubelet"}, all, "a relative folder is the working directory's")
}
