package emulate

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// aTree has a UART that is off and one that is on, each below a bus.
func aTree() []byte {
	var block bytes.Buffer
	put := func(words ...uint32) { _ = binary.Write(&block, binary.BigEndian, words) }
	text := func(s string) {
		block.WriteString(s + "\x00")
		block.Write(padding(len(s) + 1))
	}
	property := func(name uint32, value string) {
		put(treeProperty, uint32(len(value)+1), name)
		text(value)
	}
	put(treeBeginNode)
	text("")
	put(treeBeginNode)
	text("soc")
	for name, status := range map[string]string{"serial@1": "disabled", "serial@2": "okay"} {
		put(treeBeginNode)
		text(name)
		property(7, "uart") // compatible
		property(0, status)
		put(treeBeginNode)
		text("child")
		property(0, "disabled")
		put(treeEndNode, treeEndNode)
	}
	put(treeBeginNode)
	text("bare")
	put(treeEndNode, treeEndNode, treeEndNode, 9)
	names := "status\x00compatible\x00"
	head := []uint32{treeMagic, uint32(40 + block.Len() + len(names)), 40, uint32(40 + block.Len()), 40, 17, 16, 0,
		uint32(len(names)), uint32(block.Len())}
	var tree bytes.Buffer
	_ = binary.Write(&tree, binary.BigEndian, head)
	tree.Write(block.Bytes())
	tree.WriteString(names)
	return tree.Bytes()
}

func TestEnableTurnsOneNodeOn(t *testing.T) {
	tree := aTree()
	before := bytes.Count(tree, []byte("disabled\x00"))
	require.NoError(t, enable(tree, "serial@1"))
	assert.Equal(t, before-1, bytes.Count(tree, []byte("disabled\x00")))
	assert.Len(t, tree, len(aTree()))
	// What is left can be walked again, and is on already.
	again := bytes.Clone(tree)
	require.NoError(t, enable(again, "serial@1"))
	assert.Equal(t, tree, again)
	require.NoError(t, enable(again, "serial@2"))
	assert.Equal(t, tree, again)
}

func TestEnableRefusesWhatIsNoTree(t *testing.T) {
	require.ErrorContains(t, enable(aTree(), "serial@3"), "no node serial@3")
	require.ErrorContains(t, enable(aTree(), "bare"), "no status")
	require.ErrorContains(t, enable([]byte("hello"), "serial@1"), "no device tree")
	for n := range aTree() {
		cut := aTree()[:n]
		assert.Error(t, enable(cut, "serial@1"), n)
	}
}
