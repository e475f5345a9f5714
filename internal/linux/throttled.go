package linux

import (
	"fmt"
	"io/fs"
	"strconv"
	"strings"
)

// Throttled is the word that a Raspberry Pi's firmware keeps about its power and
// heat (https://www.raspberrypi.com/documentation/computers/os.html#get_throttled).
type Throttled uint32

// The bits that mean "now". Sixteen places higher the same bit means "has happened
// since the board started"; see [Throttled.Since].
const (
	Undervoltage Throttled = 1 << iota // the supply is below 4.63 V
	ClockCapped
	SlowedDown
	SoftTemperatureLimit
)

// Now reports whether a condition holds.
func (t Throttled) Now(bit Throttled) bool { return t&bit != 0 }

// Since reports whether a condition has held since the board started.
func (t Throttled) Since(bit Throttled) bool { return t&(bit<<16) != 0 }

// throttledFiles are where kernels put the word; the folder of the SoC's bus has
// been renamed over time.
func throttledFiles() []string {
	return []string{"sys/devices/platform/soc*/*firmware/get_throttled", "sys/devices/platform/*firmware/get_throttled"}
}

// ReadThrottled reads the word below a root folder; ok is false where no firmware
// keeps one.
func ReadThrottled(root fs.FS) (t Throttled, ok bool) {
	for _, pattern := range throttledFiles() {
		files, err := fs.Glob(root, pattern)
		if err != nil {
			panic("linux: glob " + pattern + ": " + err.Error()) // the patterns are constants
		}
		for _, file := range files {
			text, err := fs.ReadFile(root, file)
			if err != nil {
				continue
			}
			if t, err := ParseThrottled(string(text)); err == nil {
				return t, true
			}
		}
	}
	return 0, false
}

// ParseThrottled reads the word: hexadecimal, with or without 0x. `vcgencmd
// get_throttled` writes the same after "throttled=".
func ParseThrottled(text string) (Throttled, error) {
	text = strings.TrimPrefix(strings.TrimSpace(text), "throttled=")
	digits := strings.TrimPrefix(strings.ToLower(text), "0x")
	word, err := strconv.ParseUint(digits, 16, 32)
	if err != nil {
		return 0, fmt.Errorf("parse get_throttled %q: %w", text, err)
	}
	return Throttled(word), nil
}
