package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubeadm-arm/kubeadm-arm/lab/cgroup"
)

func TestParseShare(t *testing.T) {
	for text, want := range map[string]float64{"5%": 0.05, "0.05": 0.05, "200%": 2, "max": 0, "0": 0} {
		got, err := parseShare(text)
		require.NoError(t, err, text)
		assert.InDelta(t, want, got, 1e-12, text)
	}
	for _, text := range []string{"", "%", "five", "-5%", "NaN", "Inf", "5 %", "5%%"} {
		_, err := parseShare(text)
		assert.ErrorContains(t, err, "want a share", text)
	}
}

func TestParseBytes(t *testing.T) {
	for text, want := range map[string]int64{"1GiB": 1 << 30, "512MiB": 512 << 20, "4KiB": 4096, "77": 77} {
		got, err := parseBytes(text)
		require.NoError(t, err, text)
		assert.Equal(t, want, got, text)
	}
	for _, text := range []string{"", "GiB", "-1", "0", "1.5GiB", "1GB", "9999999999GiB"} {
		_, err := parseBytes(text)
		assert.ErrorContains(t, err, "want a size", text)
	}
}

func FuzzQuantities(f *testing.F) {
	f.Add("5%")
	f.Add("1GiB")
	f.Add("0-2,4")
	f.Fuzz(func(t *testing.T, text string) {
		if share, err := parseShare(text); err == nil {
			assert.GreaterOrEqual(t, share, 0.0)
		}
		if n, err := parseBytes(text); err == nil {
			assert.Positive(t, n)
		}
		if cpus, err := cgroup.ParseCPUList(text); err == nil {
			assert.NotEmpty(t, cpus)
		}
	})
}

func TestExtraDisksAreSizes(t *testing.T) {
	var sizes []int64
	v := bytesList{&sizes}
	require.NoError(t, v.Set("256MiB"))
	require.NoError(t, v.Set("1GiB"))
	assert.Equal(t, []int64{256 << 20, 1 << 30}, sizes)
	require.Error(t, v.Set("big"))
}
