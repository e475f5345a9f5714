package diagnose

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/state"
	"github.com/kubeadm-arm/kubeadm-arm/internal/linux"
	"github.com/kubeadm-arm/kubeadm-arm/internal/safefile"
)

// Pressure is what a board counts from its start on: two of them show what
// happened during a run.
type Pressure struct {
	// uptime is the time since the board started, in seconds.
	uptime float64
	// oomKills counts processes that the kernel killed for want of memory.
	oomKills uint64
	// throttled is the time that the board's cgroup was held back, in seconds.
	throttled float64
	// undervoltage and tooHot are what a Raspberry Pi's firmware has seen since the
	// board started.
	undervoltage bool
	tooHot       bool
	disks        linux.DiskTotal
}

// ReadPressure reads what it can; what a kernel does not report stays zero.
func ReadPressure(l state.Layout) Pressure {
	var p Pressure
	p.uptime = linux.Proc(l.Proc()).Uptime()
	p.oomKills = field(read(l.Proc()+"/vmstat"), "oom_kill")
	for _, path := range []string{"/sys/fs/cgroup/cpu.stat", "/sys/fs/cgroup/cpu/cpu.stat"} {
		text := read(l.At(path))
		p.throttled += float64(field(text, "throttled_usec"))/1e6 + float64(field(text, "throttled_time"))/1e9
	}
	firmware, _ := linux.ReadThrottled(safefile.Root(l.Root).FS(state.MaxFile, state.MaxListed))
	p.undervoltage, p.tooHot = firmware.Since(linux.Undervoltage), firmware.Since(linux.SlowedDown)
	p.disks = linux.ParseDiskWrites(read(l.Proc() + "/diskstats"))
	return p
}

func read(path string) []byte {
	text, err := safefile.Read(path, state.MaxFile)
	if err != nil {
		return nil
	}
	return text
}

// field reads the number after a name at the start of a line, as in
// /proc/vmstat and cgroup files.
func field(text []byte, name string) uint64 {
	for _, line := range bytes.Split(text, []byte{'\n'}) {
		f := strings.Fields(string(line))
		if len(f) == 2 && f[0] == name {
			n, err := strconv.ParseUint(f[1], 10, 64)
			if err != nil {
				return 0
			}
			return n
		}
	}
	return 0
}
