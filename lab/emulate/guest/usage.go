package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
)

// usage is what the board has used since it started, for lab status: times in
// seconds, sizes in bytes.
type usage struct {
	// CPUSeconds are of all processes and of the kernel, Cores those they had.
	CPUSeconds float64 `json:"cpuSeconds"`
	Uptime     float64 `json:"uptimeSeconds"`
	Cores      int     `json:"cores"`
	// ByProgram and WrittenBytes are of the processes that live now.
	ByProgram    map[string]float64 `json:"cpuSecondsByProgram"`
	WrittenBytes int64              `json:"writtenBytes"`
	MemoryBytes  int64              `json:"memoryBytes"` // in use, caches not counted
	Processes    int                `json:"processes"`
}

// ticks are in a second (USER_HZ), on every CPU that Linux runs on.
const ticks = 100

func printUsage() error {
	u := usage{Cores: runtime.NumCPU(), ByProgram: map[string]float64{}}
	stat, err := os.ReadFile("/proc/stat")
	if err != nil {
		return err
	}
	if u.CPUSeconds, err = busy(string(stat)); err != nil {
		return err
	}
	if u.Uptime, err = uptime(); err != nil {
		return err
	}
	memory, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return err
	}
	u.MemoryBytes = field(string(memory), "MemTotal:")<<10 - field(string(memory), "MemAvailable:")<<10
	processes, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return err
	}
	for _, path := range processes {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // ended meanwhile
		}
		u.Processes++
		if name, seconds, ok := times(string(text)); ok {
			u.ByProgram[name] += seconds
		}
		if text, err := os.ReadFile(filepath.Join(filepath.Dir(path), "io")); err == nil {
			u.WrittenBytes += field(string(text), "write_bytes:")
		}
	}
	return json.NewEncoder(os.Stdout).Encode(u)
}

// uptime is the board's clock, in seconds.
func uptime() (seconds float64, err error) {
	text, err := os.ReadFile("/proc/uptime")
	if err != nil {
		return 0, err
	}
	if _, err := fmt.Sscan(string(text), &seconds); err != nil {
		return 0, fmt.Errorf("read /proc/uptime: %w", err)
	}
	return seconds, nil
}

// busy reads the first line of /proc/stat (proc_stat(5)): all but idle, iowait
// and the times of guests, which count as user time already.
func busy(stat string) (float64, error) {
	line, _, _ := strings.Cut(stat, "\n")
	f := strings.Fields(line)
	if len(f) < 9 || f[0] != "cpu" {
		return 0, fmt.Errorf("read /proc/stat: its first line is %q", line)
	}
	sum := 0.0
	for i, text := range f[1:9] {
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("read /proc/stat: %w", err)
		}
		if i != 3 && i != 4 {
			sum += float64(n)
		}
	}
	return sum / ticks, nil
}

// times reads the name and the sum of utime and stime of /proc/PID/stat
// (proc_pid_stat(5)). The name may hold spaces and parentheses.
func times(stat string) (name string, seconds float64, ok bool) {
	open, end := strings.IndexByte(stat, '('), strings.LastIndexByte(stat, ')')
	if open < 0 || end < open {
		return "", 0, false
	}
	f := strings.Fields(stat[end+1:])
	if len(f) < 13 {
		return "", 0, false
	}
	user, err1 := strconv.ParseUint(f[11], 10, 64)
	system, err2 := strconv.ParseUint(f[12], 10, 64)
	return stat[open+1 : end], float64(user+system) / ticks, err1 == nil && err2 == nil
}

// field is the number after a name, 0 without it.
func field(text, name string) int64 {
	for _, line := range strings.Split(text, "\n") {
		if f := strings.Fields(line); len(f) > 1 && f[0] == name {
			n, _ := strconv.ParseInt(f[1], 10, 64)
			return n
		}
	}
	return 0
}
