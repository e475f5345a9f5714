package kube

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestModuleOfAnOldCoreDNS(t *testing.T) {
	pins := []byte(`module github.com/coredns/coredns

go 1.12

require (
	github.com/json-iterator/go v1.1.5 // indirect
	github.com/miekg/dns v1.1.6
	github.com/pinned/one v1.2.4
)

replace github.com/Moved/one v0.6.1 => github.com/moved/one v0.6.1
`)
	got, err := oldCoreDNSModule(pins)
	require.NoError(t, err)
	text := string(got)
	for _, want := range []string{
		"module board\n",
		"\tgithub.com/coredns/coredns v1.2.6\n",
		"\tgithub.com/pinned/one v1.2.4\n",
		"\tgithub.com/json-iterator/go v1.1.12\n",
		"\tgithub.com/miekg/dns v1.0.15\n",
		"replace github.com/Moved/one v0.6.1 => github.com/moved/one v0.6.1\n",
	} {
		assert.Contains(t, text, want)
	}
	assert.NotContains(t, text, "v1.1.6")
	again, err := oldCoreDNSModule(pins)
	require.NoError(t, err)
	assert.Equal(t, text, string(again), "what is built does not hang on a map's order")
	_, err = oldCoreDNSModule([]byte("nonsense {"))
	assert.ErrorContains(t, err, "read the go.mod of CoreDNS v1.5.0")
}
