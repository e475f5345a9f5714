package hwdetect

import (
	"strconv"
	"strings"
)

// Power is what a Raspberry Pi's firmware saw since the board's start.
type Power struct {
	// LowVoltage: the supply was below 4.63 V. Throttled: the CPU was slowed
	// down.
	LowVoltage bool `json:"lowVoltage,omitempty"`
	Throttled  bool `json:"throttled,omitempty"`
}

// parseThrottled reads the firmware's get_throttled, a hexadecimal bit field
// (github.com/raspberrypi/documentation, vcgencmd): bits 16 and 18 say what has
// occurred.
func parseThrottled(text string) Power {
	bits, err := strconv.ParseUint(strings.TrimPrefix(text, "0x"), 16, 64)
	if err != nil {
		return Power{}
	}
	return Power{LowVoltage: bits&(1<<16) != 0, Throttled: bits&(1<<18) != 0}
}
