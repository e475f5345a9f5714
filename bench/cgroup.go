package bench

import (
	"bytes"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"
	"time"
)

// cgroupCPU is what the CPU controller says about the groups we are in.
type cgroupCPU struct {
	// Periods, Throttled and Stopped count since the group was made, in the
	// group of our ancestry that was throttled most.
	periods, throttled uint64
	stopped            time.Duration
	// cores is the smallest quota of our ancestry in cores, 0 without one.
	cores float64
}

// cgroupFolder is one mounted controller and our place in it.
type cgroupFolder struct {
	mount, place string
	v2           bool
}

// parseOwnCgroup reads /proc/self/cgroup (cgroups(7)) and returns our folders
// for a controller, without looking whether they exist. Lines are
// hierarchy-ID:controller-list:path; version 2 is the one with 0 and no controllers.
func parseOwnCgroup(text []byte, controller string) []cgroupFolder {
	var folders []cgroupFolder
	for line := range strings.Lines(string(text)) {
		parts := strings.SplitN(strings.TrimSuffix(line, "\n"), ":", 3)
		if len(parts) != 3 {
			continue
		}
		place := path.Clean("/" + parts[2])
		if parts[0] == "0" && parts[1] == "" {
			folders = append(folders,
				cgroupFolder{"sys/fs/cgroup", place, true},
				cgroupFolder{"sys/fs/cgroup/unified", place, true})
			continue
		}
		for name := range strings.SplitSeq(parts[1], ",") {
			if name == controller {
				// Distributions mount joined controllers under the joined name, with a
				// symlink for each; a hand-made mount has one of the two.
				folders = append(folders, cgroupFolder{"sys/fs/cgroup/" + parts[1], place, false})
				if parts[1] != controller {
					folders = append(folders, cgroupFolder{"sys/fs/cgroup/" + controller, place, false})
				}
			}
		}
	}
	return folders
}

// ancestry lists the folders from our own group up to the mount. In a cgroup
// namespace or a container the path may not lie below the mount; then only the
// mount itself is left, which is our group there.
func (f cgroupFolder) ancestry() []string {
	var folders []string
	for place := f.place; place != "/" && !strings.HasPrefix(place, "/.."); place = path.Dir(place) {
		folders = append(folders, path.Join(f.mount, place))
	}
	return append(folders, f.mount)
}

// readCgroupCPU returns false where the kernel reports nothing.
func readCgroupCPU(root fs.FS) (cgroupCPU, bool) {
	own, err := fs.ReadFile(root, "proc/self/cgroup")
	if err != nil {
		return cgroupCPU{}, false
	}
	var sum cgroupCPU
	known := false
	seen := map[string]bool{}
	for _, f := range parseOwnCgroup(own, "cpu") {
		for _, folder := range f.ancestry() {
			if seen[folder] {
				continue
			}
			seen[folder] = true
			if text, err := fs.ReadFile(root, path.Join(folder, "cpu.stat")); err == nil {
				if s, err := parseCPUStat(text); err == nil {
					known = true
					if s.stopped >= sum.stopped {
						sum.periods, sum.throttled, sum.stopped = s.periods, s.throttled, s.stopped
					}
				}
			}
			if cores, ok := readQuota(root, folder, f.v2); ok && (sum.cores == 0 || cores < sum.cores) {
				known = true
				sum.cores = cores
			}
		}
	}
	return sum, known
}

// parseCPUStat reads cpu.stat of version 1 (Documentation/scheduler/sched-bwc.rst:
// throttled_time in nanoseconds) or 2 (admin-guide/cgroup-v2.rst: throttled_usec).
func parseCPUStat(text []byte) (cgroupCPU, error) {
	var s cgroupCPU
	found := false
	for line := range bytes.Lines(text) {
		fields := strings.Fields(string(line))
		if len(fields) != 2 {
			continue
		}
		var unit time.Duration
		switch fields[0] {
		case "nr_periods", "nr_throttled":
		case "throttled_time":
			unit = time.Nanosecond
		case "throttled_usec":
			unit = time.Microsecond
		default:
			continue
		}
		value, err := strconv.ParseUint(fields[1], 10, 63)
		if err != nil {
			return cgroupCPU{}, fmt.Errorf("parse cpu.stat: %s: %w", fields[0], err)
		}
		found = true
		switch {
		case fields[0] == "nr_periods":
			s.periods = value
		case fields[0] == "nr_throttled":
			s.throttled = value
		default:
			if value > uint64(1<<63-1)/uint64(unit) {
				return cgroupCPU{}, fmt.Errorf("parse cpu.stat: %s: %d is out of range", fields[0], value)
			}
			s.stopped = time.Duration(value) * unit
		}
	}
	if !found {
		return cgroupCPU{}, fmt.Errorf("parse cpu.stat: no throttling counters")
	}
	return s, nil
}

// readQuota returns how many cores a group may use, false without a limit.
func readQuota(root fs.FS, folder string, v2 bool) (float64, bool) {
	if v2 {
		text, err := fs.ReadFile(root, path.Join(folder, "cpu.max"))
		if err != nil {
			return 0, false
		}
		return parseCPUMax(text)
	}
	quota, err := fs.ReadFile(root, path.Join(folder, "cpu.cfs_quota_us"))
	if err != nil {
		return 0, false
	}
	period, err := fs.ReadFile(root, path.Join(folder, "cpu.cfs_period_us"))
	if err != nil {
		return 0, false
	}
	return parseCPUMax(append(append(bytes.TrimSpace(quota), ' '), period...))
}

// parseCPUMax reads "QUOTA PERIOD" in microseconds; the quota is "max"
// (version 2) or -1 (version 1) without a limit.
func parseCPUMax(text []byte) (float64, bool) {
	fields := strings.Fields(string(text))
	if len(fields) != 2 {
		return 0, false
	}
	quota, err := strconv.ParseInt(fields[0], 10, 64)
	if err != nil || quota <= 0 {
		return 0, false
	}
	period, err := strconv.ParseInt(fields[1], 10, 64)
	if err != nil || period <= 0 {
		return 0, false
	}
	return float64(quota) / float64(period), true
}
