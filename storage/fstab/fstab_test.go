package fstab

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubeadm-arm/kubeadm-arm/internal/linux"
)

func TestFstabBlockLeavesTheOwnersBytes(t *testing.T) {
	for _, owner := range []string{
		"", "\n", "proc /proc proc defaults 0 0\n", "no end", "# a comment\n\n\n  LABEL=a\t/b ext4 noatime 0 1   \n#", "crlf /a ext4 x 0 0\r\nlast /b ext4 x 0 0\r\n",
		"# \xff\xfe not UTF-8\n",
	} {
		block := []string{"UUID=1 /mnt/root ext4 nofail 0 2", "/mnt/root/x /x none bind 0 0"}
		text := Join([]byte(owner), block)
		assert.True(t, strings.HasPrefix(string(text), owner))
		back, got, err := Split(text)
		require.NoError(t, err)
		assert.Equal(t, owner, string(back))
		assert.Equal(t, block, got)
		// What the owner adds below our block stays as well.
		back, _, err = Split(append(text, "later /l ext4 x 0 0\n"...))
		require.NoError(t, err)
		if owner != "" && !strings.HasSuffix(owner, "\n") {
			owner += "\n"
		}
		assert.Equal(t, owner+"later /l ext4 x 0 0\n", string(back))
	}
}

func TestFstabBlockDamaged(t *testing.T) {
	for _, marks := range [][]string{{Begin}, {End}, {Begin, Begin, End}, {Begin, End, End}} {
		text := strings.Join(marks, "\n") + "\n"
		_, _, err := Split([]byte(text))
		assert.ErrorIs(t, err, errBlock, text)
	}
}

func TestFstabLines(t *testing.T) {
	lines := Parse([]byte("# x /y\n\nUUID=a /mnt/my\\040disk ext4 defaults,nofail 0 2\nswap\n/a\\134b /c\\011d\n"))
	require.Len(t, lines, 2)
	assert.Equal(t, Line{Number: 3, Spec: "UUID=a", File: "/mnt/my disk", Type: "ext4", Options: "defaults,nofail",
		Text: `UUID=a /mnt/my\040disk ext4 defaults,nofail 0 2`}, lines[0])
	assert.True(t, lines[0].HasOption("nofail"))
	assert.Equal(t, `/a\b`, lines[1].Spec)
	assert.Equal(t, "/c\td", lines[1].File)
	_, ok := LineFor(lines, "/mnt/my disk")
	assert.True(t, ok)
}

func FuzzFstab(f *testing.F) {
	f.Add([]byte("proc /proc proc defaults 0 0\n"), "/mnt/my disk")
	f.Add([]byte("no end"), "/a\\b#c\t")
	f.Fuzz(func(t *testing.T, owner []byte, name string) {
		if got := linux.Unescape(escape(name)); got != name {
			t.Fatalf("%q comes back as %q", name, got)
		}
		Parse(owner)
		if _, block, err := Split(owner); err != nil || block != nil {
			return // holds our words already
		}
		text := Join(owner, []string{"a /b ext4 c 0 0"})
		back, block, err := Split(text)
		if err != nil || string(back) != string(owner) || len(block) != 1 {
			t.Fatalf("%q became %q: %v", owner, back, err)
		}
	})
}
