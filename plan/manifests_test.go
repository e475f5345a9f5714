package plan

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubeadm-arm/kubeadm-arm/hwdetect"
	"github.com/kubeadm-arm/kubeadm-arm/kubeadm"
	"github.com/kubeadm-arm/kubeadm-arm/patch"
)

// TestSettingsOfRealManifests keeps what the plan asks of each manifest that a
// real kubeadm wrote, for three boards, in <board>.settings.json beside it. The
// patch package's golden files begin where these end.
func TestSettingsOfRealManifests(t *testing.T) {
	boards := map[string]Speed{"banana-pi-m1": slow(15), "roc-rk3328-cc": slow(7), "fast": Reference()}
	cores := map[string]int{"banana-pi-m1": 2, "roc-rk3328-cc": 4, "fast": 4}
	configs, err := filepath.Glob("../testdata/manifests/v*/*/kubeadm.yaml")
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(configs), 48)
	for _, path := range configs {
		version, err := kubeadm.ParseVersion(filepath.Base(filepath.Dir(filepath.Dir(path))))
		require.NoError(t, err)
		behaviour, err := kubeadm.BehaviourOf(version)
		require.NoError(t, err)
		text, err := os.Open(path)
		require.NoError(t, err)
		owner, err := kubeadm.ReadConfig(text, path)
		require.NoError(t, err)
		require.NoError(t, text.Close())
		for name, speed := range boards {
			settings := map[string]patch.Settings{}
			for _, s := range MakeInit(Facts{Profile: Balanced, Board: hwdetect.Board{CPU: hwdetect.CPU{Count: cores[name]}},
				Speed: speed, Kubeadm: behaviour, Config: owner}).Steps {
				if p, ok := s.(PatchManifests); ok {
					settings = p.Settings
				}
			}
			got, err := json.MarshalIndent(settings, "", " ")
			require.NoError(t, err)
			golden := filepath.Join(filepath.Dir(path), name+".settings.json")
			compareGolden(t, golden, string(got)+"\n", len(settings) == 0)
		}
	}
}

// compareGolden compares with a golden file, which is not there for what is empty.
func compareGolden(t *testing.T, path, got string, empty bool) {
	t.Helper()
	if *update {
		if err := os.Remove(path); !errors.Is(err, os.ErrNotExist) {
			require.NoError(t, err)
		}
		if !empty {
			require.NoError(t, os.WriteFile(path, []byte(got), 0o644))
		}
	}
	want, err := os.ReadFile(path)
	if empty {
		assert.ErrorIs(t, err, os.ErrNotExist)
		return
	}
	require.NoError(t, err, "go test ./plan -update writes it anew")
	assert.Equal(t, string(want), got, "go test ./plan -update writes it anew")
}
