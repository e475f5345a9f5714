package emulate

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
)

// Tokens of a flattened device tree's structure block (Devicetree Specification
// 0.4, chapter 5.4).
const (
	treeMagic     = 0xd00dfeed
	treeBeginNode = 1
	treeEndNode   = 2
	treeProperty  = 3
	treeNop       = 4
)

// enable sets the status of a node that is off, in place: "okay" is shorter than
// "disabled", and what is left over becomes a token without meaning.
func enable(tree []byte, node string) error {
	word := func(at int) int { return int(binary.BigEndian.Uint32(tree[at:])) }
	if len(tree) < 40 || word(0) != treeMagic || word(4) > len(tree) {
		return errors.New("it is no device tree")
	}
	at, names := word(8), word(12)
	end := at + word(36)
	if end > len(tree) || names > len(tree) {
		return errors.New("it is cut short")
	}
	text := func(from int) string {
		s, _, _ := strings.Cut(string(tree[from:min(from+256, len(tree))]), "\x00")
		return s
	}
	aligned := func(n int) int { return (n + 3) &^ 3 }
	inside, depth := 0, 0
	for at+4 <= end {
		token := word(at)
		at += 4
		switch token {
		case treeBeginNode:
			name := text(at)
			at += aligned(len(name) + 1)
			if depth++; name == node {
				inside = depth
			}
		case treeEndNode:
			if depth == inside {
				return fmt.Errorf("node %s has no status", node)
			}
			depth--
		case treeProperty:
			length, name := word(at), text(names+word(at+4))
			value := tree[at+8 : at+8+length]
			if depth == inside && inside > 0 && name == "status" {
				if !bytes.Equal(value, []byte("disabled\x00")) {
					return nil
				}
				binary.BigEndian.PutUint32(tree[at:], uint32(len("okay\x00")))
				copy(tree[at+8:], "okay\x00\x00\x00\x00")
				binary.BigEndian.PutUint32(tree[at+16:], treeNop)
				return nil
			}
			at += 8 + aligned(length)
		case treeNop:
		default:
			return fmt.Errorf("there is no node %s", node)
		}
	}
	return fmt.Errorf("there is no node %s", node)
}
