package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestParseStalls(t *testing.T) {
	all, err := parseStalls([]string{"30s", "1m@10%"}, []string{"wait for etcd|[kubelet-start]", "took"})
	require.NoError(t, err)
	assert.Equal(t, []stall{{"wait for etcd|[kubelet-start]", 30 * time.Second, 0}, {"took", 30 * time.Second, 0},
		{"wait for etcd|[kubelet-start]", time.Minute, 0.1}, {"took", time.Minute, 0.1}}, all)
	assert.Equal(t, `still for 30s at "wait for etcd"`, all[0].String())
	assert.Equal(t, `slowed to 10 % for 1m0s at "took"`, all[3].String())
	assert.Empty(t, stall{}.environment())
	for _, bad := range []string{"", "30", "-1s", "0s", "1m@", "1m@0%", "1m@100%", "1m@x"} {
		_, err := parseStalls([]string{bad}, []string{"took"})
		assert.ErrorContains(t, err, "--stall", bad)
	}
	_, err = parseStalls([]string{"1s"}, nil)
	assert.Error(t, err)
}
