package hwdetect

import (
	"strconv"
	"strings"
)

// raspberryByRevision names a Raspberry Pi by the Revision line of cpuinfo, for
// kernels without a device tree (Raspberry Pi documentation, "Raspberry Pi
// revision codes"): old codes 0002 to 0015, new ones a bit field with bit 23
// set. 1000000 or 2000000 may be added when the warranty is void.
func raspberryByRevision(revision, hardware string) string {
	if !strings.HasPrefix(hardware, "BCM2") {
		return ""
	}
	code, err := strconv.ParseUint(revision, 16, 32)
	if err != nil {
		return ""
	}
	if code&(1<<23) != 0 {
		types := map[uint64]string{
			0x0: "Model A", 0x1: "Model B", 0x2: "Model A Plus", 0x3: "Model B Plus", 0x4: "2 Model B", 0x6: "Compute Module",
			0x8: "3 Model B", 0x9: "Zero", 0xa: "Compute Module 3", 0xc: "Zero W", 0xd: "3 Model B Plus", 0xe: "3 Model A Plus",
			0x10: "Compute Module 3 Plus", 0x11: "4 Model B", 0x12: "Zero 2 W", 0x13: "400", 0x14: "Compute Module 4",
			0x15: "Compute Module 4S",
			0x17: "5", 0x18: "Compute Module 5", 0x19: "500", 0x1a: "Compute Module 5 Lite",
		}
		if name, ok := types[code>>4&0xff]; ok {
			return "Raspberry Pi " + name
		}
		return ""
	}
	switch old := code & 0xffff; {
	case old >= 0x2 && old <= 0x6, old >= 0xd && old <= 0xf:
		return "Raspberry Pi Model B"
	case old >= 0x7 && old <= 0x9:
		return "Raspberry Pi Model A"
	case old == 0x10, old == 0x13:
		return "Raspberry Pi Model B Plus"
	case old == 0x11, old == 0x14:
		return "Raspberry Pi Compute Module"
	case old == 0x12, old == 0x15:
		return "Raspberry Pi Model A Plus"
	}
	return ""
}
