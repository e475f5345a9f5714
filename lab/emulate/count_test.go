package emulate

import (
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestParseSpeed(t *testing.T) {
	for text, want := range map[string]int{"bananapi": 4, "bananapi*2": 2, "bananapi*4": 1, "bananapi/4": 16,
		"bananapi/256": 1024, "bananapi/1": 4} {
		got, err := ParseSpeed(text)
		require.NoError(t, err, text)
		assert.Equal(t, want, got, text)
	}
	for _, bad := range []string{"", "banana", "bananapi/", "bananapi*", "bananapi/3", "bananapi*8", "bananapi*3",
		"bananapi/0", "bananapi/-1", "bananapi/512", "bananapi+2", "bananapi/4/4", "fast"} {
		_, err := ParseSpeed(bad)
		assert.ErrorContains(t, err, "want bananapi", bad)
	}
}

var rootBesideTheProcessor = regexp.MustCompile(`virtio-blk-\w+,drive=root`)

// What takes host time while a counted clock runs on would make the board's time
// depend on the host: no such board has a disk that QEMU serves beside the processor.
func TestCountedBoardsHaveNoDiskBesideTheProcessor(t *testing.T) {
	for _, b := range Boards() {
		if b.withDisk == nil {
			continue
		}
		m := Machine{Board: b, Count: BananaPi}
		words := strings.Join(append(countedArguments(m.count()), m.virtioArguments("writeback")...), " ")
		assert.Contains(t, words, "-icount shift=2,sleep=off", b.Name)
		assert.NotRegexp(t, rootBesideTheProcessor, words, b.Name)
		assert.NotContains(t, words, "filename=/dev/", b.Name)
		m.Count = 0
		words = strings.Join(m.virtioArguments("writeback"), " ")
		assert.Equal(t, !b.Counted(), rootBesideTheProcessor.MatchString(words), b.Name)
		m.Forget = true
		assert.Regexp(t, rootBesideTheProcessor, strings.Join(m.virtioArguments("unsafe"), " "),
			"while the disk of %s is made, time does not matter", b.Name)
	}
}
