package linux

import (
	"errors"
	"strconv"
	"strings"
)

// Meminfo is a part of /proc/meminfo, in bytes.
type Meminfo struct {
	Total uint64
	// Available is an estimate of what a new program can have without swapping.
	Available uint64
	SwapTotal uint64
	SwapFree  uint64
}

// ParseMeminfo reads /proc/meminfo (proc_meminfo(5)), lines such as
// "MemTotal:  1017212 kB". Kernels before 3.14 have no MemAvailable: free memory,
// buffers and page cache stand in for it, as free(1) counted then. Lines of other
// forms are skipped; the error is for a text without MemTotal.
func ParseMeminfo(text []byte) (Meminfo, error) {
	values := map[string]uint64{}
	for line := range strings.Lines(string(text)) {
		name, rest, _ := strings.Cut(line, ":")
		fields := strings.Fields(rest)
		if len(fields) != 2 || fields[1] != "kB" {
			continue
		}
		if kibibytes, err := strconv.ParseUint(fields[0], 10, 53); err == nil {
			values[strings.TrimSpace(name)] = kibibytes << 10
		}
	}
	m := Meminfo{Total: values["MemTotal"], SwapTotal: values["SwapTotal"], SwapFree: values["SwapFree"]}
	if m.Total == 0 {
		return Meminfo{}, errors.New("parse /proc/meminfo: no MemTotal")
	}
	available, known := values["MemAvailable"]
	if !known {
		available = values["MemFree"] + values["Buffers"] + values["Cached"]
	}
	m.Available = available
	return m, nil
}
