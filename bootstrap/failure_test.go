package bootstrap

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubeadm-arm/kubeadm-arm/plan"
)

// A failing run carries what was seen, and the API server's own last words.
func TestFailureIsExplained(t *testing.T) {
	b := newFakeBoard(t)
	b.fail = 2
	folder := b.layout.PodLogs() + "/kube-system_kube-apiserver-bpi_1/kube-apiserver"
	put(t, folder+"/4.log", "2026-11-22T18:00:00Z stderr F an earlier control plane's\n")
	put(t, b.layout.PodLogs()+"/kube-system_etcd-bpi_0/etcd/7.log",
		"2026-11-22T18:00:00Z stderr F no space left on device\n")
	o := b.options()
	o.Tell = func(e Event) {
		if e.Kind == StepBegun && e.Number == 1 {
			put(t, folder+"/6.log",
				"2026-11-23T18:00:00Z stderr F token abcdef.0123456789abcdef\n2026-11-23T18:00:01Z stderr F no etcd here\n")
		}
	}
	o.Logs = func(string) string { return "running with swap on is not supported" }
	out, err := Run(context.Background(), o)
	require.Error(t, err)
	require.Len(t, out.Findings, 2)
	assert.Contains(t, out.Findings[0].What, "swap")
	assert.Contains(t, out.Findings[1].What, "kube-apiserver was started 2 times")
	assert.Equal(t, []string{"token abcdef.(secret)", "no etcd here"}, out.APIServerLog)
	assert.Equal(t, b.layout.PodLogs()+"/kube-system_"+plan.APIServer+"-bpi_1/kube-apiserver/6.log", out.APIServerLogFile)
}
