package bench

import (
	"math"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubeadm-arm/kubeadm-arm/internal/linux"
)

// files makes a root folder of what the kernel would report.
func files(pairs ...string) fstest.MapFS {
	root := fstest.MapFS{}
	for i := 0; i < len(pairs); i += 2 {
		root[pairs[i]] = &fstest.MapFile{Data: []byte(pairs[i+1])}
	}
	return root
}

func TestCgroupVersion1(t *testing.T) {
	root := files(
		"proc/self/cgroup", "4:memory:/board\n2:cpu,cpuacct:/board/inner\n0::/\n",
		"sys/fs/cgroup/cpu,cpuacct/board/cpu.stat", "nr_periods 200\nnr_throttled 190\nthrottled_time 18000000000\n",
		"sys/fs/cgroup/cpu,cpuacct/board/cpu.cfs_quota_us", "5000\n",
		"sys/fs/cgroup/cpu,cpuacct/board/cpu.cfs_period_us", "100000\n",
		"sys/fs/cgroup/cpu,cpuacct/board/inner/cpu.stat", "nr_periods 0\nnr_throttled 0\nthrottled_time 0\n",
		"sys/fs/cgroup/cpu,cpuacct/board/inner/cpu.cfs_quota_us", "-1\n",
		"sys/fs/cgroup/cpu,cpuacct/board/inner/cpu.cfs_period_us", "100000\n",
	)
	got, ok := readCgroupCPU(root)
	require.True(t, ok)
	assert.Equal(t, cgroupCPU{periods: 200, throttled: 190, stopped: 18 * time.Second, cores: 0.05}, got)
}

func TestCgroupVersion2(t *testing.T) {
	root := files(
		"proc/self/cgroup", "0::/kube.slice/pod\n",
		"sys/fs/cgroup/kube.slice/cpu.max", "max 100000\n",
		"sys/fs/cgroup/kube.slice/pod/cpu.max", "150000 100000\n",
		"sys/fs/cgroup/kube.slice/pod/cpu.stat", "usage_usec 5\nuser_usec 3\nsystem_usec 2\nnr_periods 9\nnr_throttled "+
			"1\nthrottled_usec 70000\n",
	)
	got, ok := readCgroupCPU(root)
	require.True(t, ok)
	assert.Equal(t, cgroupCPU{periods: 9, throttled: 1, stopped: 70 * time.Millisecond, cores: 1.5}, got)
}

// In a container the path names the host's folders, which are not there.
func TestCgroupOfAContainer(t *testing.T) {
	for _, place := range []string{"/docker/0123", "/../../other", "/"} {
		root := files(
			"proc/self/cgroup", "0::"+place+"\n",
			"sys/fs/cgroup/cpu.max", "20000 100000\n",
			"sys/fs/cgroup/cpu.stat", "nr_periods 1\nnr_throttled 0\nthrottled_usec 0\n",
		)
		got, ok := readCgroupCPU(root)
		require.True(t, ok, place)
		assert.Equal(t, cgroupCPU{periods: 1, cores: 0.2}, got, place)
	}
}

func TestNoCgroup(t *testing.T) {
	_, ok := readCgroupCPU(files())
	assert.False(t, ok)
	_, ok = readCgroupCPU(files("proc/self/cgroup", "garbage\n1:cpu\n\n2:cpu:/x\n"))
	assert.False(t, ok)
}

func FuzzParseCPUStat(f *testing.F) {
	f.Add([]byte("nr_periods 200\nnr_throttled 190\nthrottled_time 18000000000\n"))
	f.Add([]byte("nr_periods 9\nnr_throttled 1\nthrottled_usec 70000\n"))
	f.Add([]byte("throttled_usec 9223372036854775807\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if got, err := parseCPUStat(text); err == nil && got.stopped < 0 {
			t.Fatalf("%q: %+v", text, got)
		}
	})
}

func FuzzParseCPUMax(f *testing.F) {
	f.Add([]byte("max 100000\n"))
	f.Add([]byte("5000 100000\n"))
	f.Add([]byte("-1 100000"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if cores, ok := parseCPUMax(text); ok && (cores <= 0 || math.IsInf(cores, 0) || math.IsNaN(cores)) {
			t.Fatalf("%q: %g", text, cores)
		}
	})
}

func FuzzReadCgroup(f *testing.F) {
	f.Add([]byte("0::/kube.slice/pod\n"))
	f.Add([]byte("2:cpu,cpuacct:/../..\n"))
	f.Add([]byte("2:cpu,../..:/a/../../b\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		readCgroupCPU(files("proc/self/cgroup", string(text), "sys/fs/cgroup/cpu.max", "1 2"))
	})
}

func TestFirmwareWarnings(t *testing.T) {
	firmware := func(word linux.Throttled) *Firmware { return &Firmware{word} }
	const low = "too little voltage: the power supply or its cable is too weak"
	for _, c := range []struct {
		before, after *Firmware
		want          []Warning
	}{
		{firmware(0), firmware(0), nil},
		{firmware(0), firmware(0x10000), []Warning{{WarnUndervoltage, "during the benchmark: " + low}}},
		{firmware(0x10000), firmware(0x10000), []Warning{{WarnUndervoltage, "since the board booted: " + low}}},
		{firmware(0), firmware(0x50005), []Warning{{WarnUndervoltage, "now: " + low}, {WarnThrottled, "now: the firmware throttled the board"}}},
		{firmware(8), firmware(0x80000), []Warning{{WarnThrottled, "now: the soft temperature limit was reached"}}},
		{nil, firmware(0x20000), []Warning{{WarnThrottled, "since the board booted: the firmware capped the clock"}}},
	} {
		assert.Equal(t, c.want, stateWarnings(State{Firmware: c.before}, State{Firmware: c.after}, nil), "%+v", c)
	}
}

func TestReadState(t *testing.T) {
	root := files(
		"proc/meminfo", "MemTotal:         443888 kB\nMemFree:           10000 kB\nMemAvailable:      30000 kB\nSwapTotal: "+
			"102396 kB\nSwapFree: 102396 kB\nHugePages_Total:       0\n",
		"sys/devices/platform/soc/soc:firmware/get_throttled", "50005\n",
		"sys/class/thermal/thermal_zone0/temp", "61224\n",
		"sys/class/thermal/thermal_zone0/type", "cpu-thermal\n",
		"sys/class/thermal/thermal_zone1/temp", "not now\n",
		"sys/class/thermal/cooling_device0/type", "gpio-fan\n",
		"sys/class/thermal/cooling_device0/cur_state", "1\n",
		"sys/class/thermal/cooling_device1/type", "cpufreq-cpu0\n",
		"sys/class/thermal/cooling_device1/cur_state", "2\n",
		"sys/class/hwmon/hwmon0/name", "rpi_volt\n",
		"sys/class/hwmon/hwmon0/in0_lcrit_alarm", "1\n",
		"sys/devices/system/cpu/cpufreq/policy0/scaling_cur_freq", "600000\n",
		"sys/devices/system/cpu/cpufreq/policy0/scaling_max_freq", "700000\n",
		"sys/devices/system/cpu/cpufreq/policy0/cpuinfo_max_freq", "700000\n",
	)
	s := readState(root)
	assert.Equal(t, &Memory{Total: 443888 << 10, Available: 30000 << 10, SwapTotal: 102396 << 10, SwapFree: 102396 << 10},
		s.Memory)
	assert.Equal(t, &Firmware{0x50005}, s.Firmware)
	assert.Equal(t, []Temperature{{"cpu-thermal", 61.224}}, s.Temperatures)
	assert.Equal(t, []string{"cpufreq-cpu0"}, s.Cooling, "a fan slows nothing down")
	assert.Equal(t, []CPUClock{{"policy0", 6e8, 7e8, 7e8}}, s.Clocks)
	require.NotNil(t, s.Undervoltage)
	assert.True(t, *s.Undervoltage)

	s.Firmware = nil
	assert.Equal(t, []Warning{
		{WarnUndervoltage, "the kernel reports too little voltage: the power supply or its cable is too weak"},
		{WarnThrottled, "under load the clock of policy0 was 600 of 700 MHz"},
		{WarnThrottled, "the kernel slowed the board to cool it: cpufreq-cpu0"},
		{WarnMemory, "only 29 of 433 MB of memory are available"},
	}, stateWarnings(State{}, s, s.Clocks))

	assert.Equal(t, State{}, readState(files()), "a kernel that reports nothing")
	capped := []CPUClock{{"policy4", 6e8, 6e8, 12e8}}
	assert.Equal(t, []Warning{{WarnThrottled, "the clock of policy4 may not exceed 600 of its 1200 MHz"}},
		stateWarnings(State{}, State{}, capped))
}

func TestStillHolds(t *testing.T) {
	const boot = "proc/sys/kernel/random/boot_id"
	quota := func(text string) fstest.MapFS {
		return files(boot, "one\n", "proc/self/cgroup", "0::/board\n", "sys/fs/cgroup/board/cpu.max", text)
	}
	r := Result{BootID: "one", Warnings: []Warning{{Kind: WarnUnsteady}, {Kind: WarnQuota}}}
	r.Cores.Quota = 0.5
	assert.True(t, r.StillHolds(quota("50000 100000\n")))
	assert.False(t, r.StillHolds(quota("5000 100000\n")), "another CPU quota")
	assert.False(t, r.StillHolds(files(boot, "two\n")), "another boot")
	assert.False(t, r.StillHolds(files()), "who knows")
	r.Warnings = append(r.Warnings, Warning{Kind: WarnDisturbed})
	assert.False(t, r.StillHolds(quota("50000 100000\n")))
}

func TestBusyCPU(t *testing.T) {
	const stat = "cpu  100 20 30 5000 400 7 3 99 0 0\ncpu0 100 20 30 5000 400 7 3 99 0 0\n"
	assert.InDelta(t, 1.6, BusyCPU(fstest.MapFS{"proc/stat": {Data: []byte(stat)}}), 1e-9)
	assert.Zero(t, BusyCPU(fstest.MapFS{}))
	assert.Zero(t, BusyCPU(fstest.MapFS{"proc/stat": {Data: []byte("cpu one\n")}}))
	assert.Zero(t, BusyCPU(fstest.MapFS{
		"proc/stat": {Data: []byte(stat)}, "proc/self/cgroup": {Data: []byte("0::/board\n")},
		"sys/fs/cgroup/board/cpu.max": {Data: []byte("5000 100000\n")}, "proc/self/mountinfo": {Data: []byte("30 1 0:26 / " +
			"/sys/fs/cgroup rw - cgroup2 cgroup2 rw\n")},
	}), "a quota: the figure is of more than this board")
}
