package main

import (
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestParseStalls(t *testing.T) {
	all, err := parseStalls([]string{"30s", "1m@10%"}, []string{"wait for etcd|[kubelet-start]", "took"})
	require.NoError(t, err)
	places := []string{"wait for etcd|[kubelet-start]", "took"}
	assert.Equal(t, []stall{{30 * time.Second, 0, places}, {time.Minute, 0.1, places}}, all)
	assert.Equal(t, "still for 30 s at each of 2 places", all[0].String())
	assert.Equal(t, `slowed to 10 % for 60 s at "wait for etcd"`, stall{time.Minute, 0.1, places[:1]}.String())
	assert.Contains(t, all[1].environment(), "LAB_STALL_AT=wait for etcd|[kubelet-start]\ntook")
	assert.Empty(t, stall{}.environment())
	for _, bad := range []string{"", "30", "-1s", "0s", "1m@", "1m@0%", "1m@100%", "1m@x"} {
		_, err := parseStalls([]string{bad}, []string{"took"})
		assert.ErrorContains(t, err, "--for", bad)
	}
	_, err = parseStalls([]string{"1s"}, nil)
	assert.Error(t, err)
}

func TestDocumentOfStalls(t *testing.T) {
	path := t.TempDir() + "/stall.md"
	require.NoError(t, writeDocument(path, "Side by side.", []run{
		{
			setup:   setup{Tool: arm, Board: "amd64 bananapi, still for 30 s"},
			outcome: outcome{NodeReady: true, ReadySeconds: 300.4, Restarts: map[string]int{"etcd": 0}},
			faults:  faults{Stalls: []string{"12.0 wait for etcd|[kubelet-start]\n"}},
		},
		{
			setup: setup{Tool: stock, Board: "amd64 bananapi, still for 30 s"},
			outcome: outcome{
				Restarts:  map[string]int{"kube-scheduler": 2},
				LastWords: []string{"kube-scheduler ended, exit code 1\nlost"},
			},
			faults: faults{Stalls: []string{"9.0 x\n", "12.5 y\n"}},
		},
	}))
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	for _, want := range []string{
		"| amd64 bananapi, still for 30 s | kubeadm-arm init | 300.4 | nothing | 12.0 wait for etcd/[kubelet-start] |",
		"| kubeadm init | never | kube-scheduler 2 times | 9.0 x; 12.5 y |", "    kube-scheduler ended, exit code 1\n    " +
			"lost\n",
	} {
		assert.Contains(t, string(text), want)
	}
}
