package hwdetect

import (
	"bufio"
	"io"
	"strconv"
	"strings"
)

// MemInfo is /proc/meminfo (proc_meminfo(5)), in bytes.
type MemInfo struct{ Total, Available, SwapTotal uint64 }

// ParseMemInfo reads lines such as "MemTotal:  1017212 kB". Kernels before 3.14
// have no MemAvailable; free and cached memory stand in for it.
func ParseMemInfo(r io.Reader) MemInfo {
	var m MemInfo
	var free, cached uint64
	hasAvailable := false
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, 4<<10), 1<<20)
	for lines.Scan() {
		key, rest, ok := strings.Cut(lines.Text(), ":")
		fields := strings.Fields(rest)
		if !ok || len(fields) == 0 {
			continue
		}
		n, err := strconv.ParseUint(fields[0], 10, 53)
		if err != nil {
			continue
		}
		n <<= 10
		switch strings.TrimSpace(key) {
		case "MemTotal":
			m.Total = n
		case "MemAvailable":
			m.Available, hasAvailable = n, true
		case "MemFree":
			free = n
		case "Cached":
			cached = n
		case "SwapTotal":
			m.SwapTotal = n
		}
	}
	if !hasAvailable {
		m.Available = free + cached
	}
	return m
}
