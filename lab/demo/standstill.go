package main

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
)

// standstill is how long this machine, not the board, has been kept from working, in
// seconds since it started. What cannot be read is 0.
type standstill struct {
	// Stolen is the time of all CPUs that a hypervisor gave to others (proc_stat(5)).
	Stolen float64
	// IO and Memory are how long something waited for a disk, or for memory
	// (Documentation/accounting/psi.rst).
	IO, Memory float64
}

func readStandstill() standstill {
	text := func(path string) string {
		b, _ := os.ReadFile(path)
		return string(b)
	}
	return parseStandstill(text("/proc/stat"), text("/proc/pressure/io"), text("/proc/pressure/memory"))
}

// some is the first line of a pressure file; its total is in microseconds.
var some = regexp.MustCompile(`(?m)^some .*total=(\d+)$`)

func parseStandstill(stat, io, memory string) standstill {
	pressure := func(text string) float64 {
		m := some.FindStringSubmatch(text)
		if m == nil {
			return 0
		}
		n, _ := strconv.ParseFloat(m[1], 64)
		return n / 1e6
	}
	s := standstill{IO: pressure(io), Memory: pressure(memory)}
	line, _, _ := strings.Cut(stat, "\n")
	if fields := strings.Fields(line); len(fields) > 8 && fields[0] == "cpu" {
		n, _ := strconv.ParseFloat(fields[8], 64)
		s.Stolen = n / 100 // USER_HZ
	}
	return s
}

// minus is what was lost since an earlier moment.
func (s standstill) minus(before standstill) standstill {
	return standstill{s.Stolen - before.Stolen, s.IO - before.IO, s.Memory - before.Memory}
}

// seconds is what was lost in all.
func (s standstill) seconds() float64 { return s.Stolen + s.IO + s.Memory }

// String describes it.
func (s standstill) String() string {
	return fmt.Sprintf("%.1f s of CPU time stolen, %.1f s of waiting for a disk, %.1f s for memory", s.Stolen, s.IO,
		s.Memory)
}
