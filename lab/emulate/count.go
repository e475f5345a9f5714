package emulate

import (
	"fmt"
	"math/bits"
	"strconv"
	"strings"
)

// A board with counted time has a clock that advances by a fixed time with each
// instruction, and skips to the next timer while the board is idle. A busy host
// makes a run longer, and the board no slower. What would take host time while the
// clock runs on is avoided: the disk is an SD card, which QEMU reads and writes
// within the instruction that asks for it, or memory.

// BananaPi is the nanoseconds that an instruction takes on a board whose core is
// about as fast as a Banana Pi M1's: an RSA-2048 signature takes 50 ms there, and 42 ms
// on QEMU's Cortex-A7.
const BananaPi = 4

// maxCount is QEMU's limit: shift=10.
const maxCount = 1 << 10

// ParseSpeed reads the speed of a board with counted time, such as "bananapi",
// "bananapi/4" or "bananapi*2", as nanoseconds for one instruction.
func ParseSpeed(text string) (count int, err error) {
	count = BananaPi
	rest, ok := strings.CutPrefix(text, "bananapi")
	if ok && rest != "" {
		n, err := strconv.Atoi(rest[1:])
		switch {
		case err != nil || n < 1 || n > maxCount:
			ok = false
		case rest[0] == '/':
			count *= n
		case rest[0] == '*' && count%n == 0:
			count /= n
		default:
			ok = false
		}
	}
	if !ok || bits.OnesCount(uint(count)) != 1 || count > maxCount {
		return 0, fmt.Errorf("speed %q: want bananapi, bananapi*2, bananapi*4, or bananapi/2, /4, … /256", text)
	}
	return count, nil
}

// count is the nanoseconds that an instruction takes, 0 for the host's clock.
func (m Machine) count() int {
	if m.Count > 0 {
		return m.Count
	}
	if m.Forget {
		return 0 // nobody measures while a disk is made
	}
	return m.Board.counted
}

// Counted reports whether the board's clock counts instructions where nobody chooses
// otherwise.
func (b Board) Counted() bool { return b.counted > 0 }

// countedArguments are QEMU's (docs/devel/tcg-icount.rst). Its threads for several
// cores take turns.
func countedArguments(count int) []string {
	return []string{"-accel", "tcg,thread=single", "-icount",
		fmt.Sprintf("shift=%d,sleep=off", bits.TrailingZeros(uint(count))), "-rtc", "clock=vm"}
}

// memoryRoot is the disk with the root file system where it is memory that keeps
// its contents (NVDIMM): read and written by the board's own instructions.
const memoryRoot = "pmem0"

// memory is QEMU's size of the board's memory, with room for a disk that is memory.
func (m Machine) memory() string {
	size := strconv.FormatInt(m.bytes()>>20, 10)
	if m.Saves() {
		size += fmt.Sprintf(",slots=1,maxmem=%dM", m.bytes()>>20+diskBytes>>20)
	}
	return size
}

// memoryArguments are those of such a disk.
func (m Machine) memoryArguments() []string {
	return []string{"-object", fmt.Sprintf("memory-backend-file,id=root,share=on,mem-path=%s,size=%d", rootCopy,
		diskBytes), "-device", "nvdimm,memdev=root"}
}
