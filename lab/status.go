package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// boardStatus is one board in lab status --json. Times are seconds, sizes bytes.
type boardStatus struct {
	board
	Alive bool `json:"alive"`
	// CPUSeconds were used since lab up or lab reboot returned, by all processes
	// of the board, living and ended.
	CPUSeconds  float64 `json:"cpuSeconds"`
	MemoryBytes int64   `json:"memoryBytes"`
	Processes   int     `json:"processes"`
	// Cores and UptimeSeconds are told of emulated boards.
	Cores         int     `json:"cores,omitempty"`
	UptimeSeconds float64 `json:"uptimeSeconds,omitempty"`
	// ByProgram are CPU seconds of the processes that live now, by the name
	// that the kernel keeps (15 bytes).
	ByProgram map[string]float64 `json:"cpuSecondsByProgram"`
	// WrittenBytes were sent to disks since lab up or lab reboot returned, by the
	// processes that live now and by their children.
	WrittenBytes int64 `json:"writtenBytes"`
	// Pace is what is known of a paced board's CPU time.
	Pace *pace `json:"pace,omitempty"`
}

func status(name string, asJSON bool) error {
	all, err := boards()
	if err != nil {
		return err
	}
	list := []boardStatus{}
	for _, b := range all {
		if name != "" && name != b.Name {
			continue
		}
		if b.whole() {
			list = append(list, b.wholeStatus())
			continue
		}
		groups, err := findCgroups(b.Name)
		if err != nil {
			return err
		}
		pids := groups.pids()
		known, err := b.readPace()
		if err != nil {
			return err
		}
		list = append(list, boardStatus{board: *b, Alive: b.First.alive(), CPUSeconds: groups.cpuSeconds() - b.CPUSecondsAtUp,
			MemoryBytes: groups.memoryBytes(), Processes: len(pids), ByProgram: byProgram(pids), WrittenBytes: max(0, writtenBytes(pids)-b.WrittenBytesAtUp), Pace: known})
	}
	if asJSON {
		enc := json.NewEncoder(os.Stdout)
		enc.SetIndent("", "  ")
		return enc.Encode(list)
	}
	if len(list) == 0 {
		fmt.Println("no boards")
	}
	for _, s := range list {
		state := "up"
		if !s.Alive {
			state = "not running; remove it with: lab down --name " + s.Name
		}
		if s.whole() {
			fmt.Printf("%-16s %-9s emulated %s, address %s, %.1f CPU s, %d MiB, %d processes, %s\n", s.Name, s.Version, s.Emulated, s.NodeIP,
				s.CPUSeconds, s.MemoryBytes>>20, s.Processes, state)
			continue
		}
		limits := s.Limits.String()
		if s.Pace != nil {
			limits += " (" + s.Pace.String() + ")"
		}
		fmt.Printf("%-16s %-9s %s, address %s, %.1f CPU s, %d MiB, %d processes, %s\n", s.Name, s.Version, limits, s.NodeIP,
			s.CPUSeconds, s.MemoryBytes>>20, s.Processes, state)
	}
	return nil
}

// byProgram sums user and system time of living processes.
func byProgram(pids []int) map[string]float64 {
	sum := map[string]float64{}
	for _, pid := range pids {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			continue
		}
		if name, seconds, ok := parseStatTimes(string(text)); ok {
			sum[name] += seconds
		}
	}
	return sum
}

// writtenBytes sums what living processes, and the children that they waited
// for, sent to disks (proc_pid_io(5)).
func writtenBytes(pids []int) int64 {
	var sum int64
	for _, pid := range pids {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/io", pid))
		if err != nil {
			continue
		}
		for _, line := range strings.Split(string(text), "\n") {
			if value, ok := strings.CutPrefix(line, "write_bytes: "); ok {
				n, _ := strconv.ParseInt(value, 10, 64)
				sum += n
			}
		}
	}
	return sum
}

// parseStatTimes reads the name and the sum of utime and stime, in seconds, of
// /proc/PID/stat (proc_pid_stat(5)). The name may hold spaces and parentheses.
func parseStatTimes(stat string) (name string, seconds float64, ok bool) {
	open, end := strings.IndexByte(stat, '('), strings.LastIndexByte(stat, ')')
	if open < 0 || end < open {
		return "", 0, false
	}
	fields := strings.Fields(stat[end+1:])
	if len(fields) < 13 {
		return "", 0, false
	}
	user, err1 := strconv.ParseUint(fields[11], 10, 64)
	system, err2 := strconv.ParseUint(fields[12], 10, 64)
	if err1 != nil || err2 != nil {
		return "", 0, false
	}
	// Linux shows them in 1/100 s on every CPU that Go knows (USER_HZ).
	const ticks = 100
	return stat[open+1 : end], float64(user+system) / ticks, true
}
