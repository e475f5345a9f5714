package kubeadm

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestParseInitArgs(t *testing.T) {
	args := []string{"--config", "/etc/k.yaml", "--skip-phases=addon/kube-proxy,mark-control-plane", "-v5", "--upload-certs",
		"--ignore-preflight-errors", "NumCPU,Mem", "--ignore-preflight-errors=Swap", "--new-flag", "x", "--other-new=y", "--dry-run=false"}
	a, err := ParseInitArgs(args)
	require.NoError(t, err)
	config, ok := a.Get("config")
	assert.True(t, ok)
	assert.Equal(t, "/etc/k.yaml", config)
	assert.Equal(t, []string{"addon/kube-proxy", "mark-control-plane"}, a.List("skip-phases"))
	assert.Equal(t, []string{"NumCPU", "Mem", "Swap"}, a.List("ignore-preflight-errors"))
	assert.True(t, a.Bool("upload-certs"))
	assert.False(t, a.Bool("dry-run"))
	v, _ := a.Get("v")
	assert.Equal(t, "5", v)
	assert.Empty(t, a.Words)
	assert.Equal(t, args, a.Without(), "nothing is lost, nothing reordered")
	assert.Equal(t, []string{"--config", "/etc/k.yaml", "-v5", "--upload-certs", "--new-flag", "x", "--other-new=y", "--dry-run=false"},
		a.Without("skip-phases", "ignore-preflight-errors"))
}

func TestAFlagWithoutItsValueIsAnError(t *testing.T) {
	_, err := ParseInitArgs([]string{"--config"})
	assert.ErrorContains(t, err, "--config needs a value")
	_, err = ParseInitArgs([]string{"--token", "--upload-certs"})
	assert.ErrorContains(t, err, "--token needs a value")
}

func TestWordsOfAPhaseCommand(t *testing.T) {
	a, err := ParseInitArgs([]string{"phase", "certs", "all", "--config=x"})
	require.NoError(t, err)
	assert.Equal(t, []string{"phase", "certs", "all"}, a.Words)
}

func FuzzParseInitArgs(f *testing.F) {
	f.Add("--config", "x", "-v", "5")
	f.Add("--", "-", "--=", "--x=")
	f.Fuzz(func(t *testing.T, a, b, c, d string) {
		words := []string{a, b, c, d}
		args, err := ParseInitArgs(words)
		if err != nil {
			return
		}
		if len(args.Words) == 0 && !slices.Contains(words, "--") {
			require.Equal(t, words, args.Without())
		}
	})
}
