package hwdetect

import (
	"strconv"
	"strings"
)

// Swap is one line of /proc/swaps.
type Swap struct {
	Name string `json:"name"`
	// Size is in bytes.
	Size uint64 `json:"size"`
}

// SwapState is swap, and what brings it back at the next start.
type SwapState struct {
	On []Swap `json:"on,omitempty"`
	// Fstab are the swap entries of /etc/fstab, by what is swapped to.
	Fstab []string `json:"fstab,omitempty"`
	// Services are the programs that make swap at each start:
	// "dphys-swapfile", "zramswap", "armbian-zram-config", "zram-generator",
	// "rpi-swap".
	Services []string `json:"services,omitempty"`
}

func readSwap(f files) SwapState {
	s := SwapState{On: parseSwaps(f.read("/proc/swaps")), Fstab: parseFstabSwap(f.read("/etc/fstab"))}
	for _, c := range []struct{ service, path string }{
		{"dphys-swapfile", "/sbin/dphys-swapfile"},
		{"dphys-swapfile", "/usr/sbin/dphys-swapfile"},
		{"zramswap", "/etc/default/zramswap"},
		{"armbian-zram-config", "/etc/default/armbian-zram-config"},
		{"zram-generator", "/etc/systemd/zram-generator.conf"},
		{"rpi-swap", "/etc/rpi/swap.conf"},
	} {
		if f.exists(c.path) && (len(s.Services) == 0 || s.Services[len(s.Services)-1] != c.service) {
			s.Services = append(s.Services, c.service)
		}
	}
	return s
}

// parseSwaps reads /proc/swaps (proc_swaps(5)): a heading, then name, type, size
// in KiB, used, priority.
func parseSwaps(text []byte) []Swap {
	var all []Swap
	for n, line := range strings.Split(string(text), "\n") {
		w := strings.Fields(line)
		if n == 0 || len(w) < 3 {
			continue
		}
		size, err := strconv.ParseUint(w[2], 10, 53)
		if err != nil {
			continue
		}
		all = append(all, Swap{unescape(w[0]), size << 10})
	}
	return all
}

// parseFstabSwap finds the entries of type swap in fstab(5).
func parseFstabSwap(text []byte) []string {
	var all []string
	for _, line := range lines(text) {
		w := strings.Fields(line)
		if len(w) >= 3 && w[2] == "swap" && !(len(w) > 3 && hasOption(w[3], "noauto")) {
			all = append(all, w[0])
		}
	}
	return all
}
