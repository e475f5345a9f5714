package bootstrap

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/journal"
	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/manifests"
	"github.com/kubeadm-arm/kubeadm-arm/kubeadm"
	"github.com/kubeadm-arm/kubeadm-arm/plan"
)

// A run that was interrupted before an upgrade of this program is resumed after it:
// every journal of an earlier version is read without loss, and so is the list of what
// is staged at the board's starts.
func TestFilesOfEarlierVersions(t *testing.T) {
	journals, err := filepath.Glob("../testdata/journals/*/*.json")
	require.NoError(t, err)
	require.NotEmpty(t, journals)
	for _, path := range journals {
		j, err := journal.Read(path)
		require.NoError(t, err, path)
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		var was struct{ Plan json.RawMessage }
		require.NoError(t, json.Unmarshal(text, &was))
		assert.Equal(t, kubeadm.Init, j.Plan.Command, "the only command that there was")
		j.Plan.Command = ""
		is, err := json.Marshal(j.Plan)
		require.NoError(t, err)
		assert.Equal(t, withoutTitles(t, was.Plan), withoutTitles(t, is), path)
		for i, s := range j.Plan.Steps {
			assert.Contains(t, executors(), s.Kind(), "%s: step %d", path, i+1)
		}
	}
	lists, err := filepath.Glob("../testdata/journals/*/held-back")
	require.NoError(t, err)
	require.NotEmpty(t, lists)
	for _, path := range lists {
		b := newFakeBoard(t)
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		put(t, b.layout.BootList(), string(text))
		held, err := manifests.BootList(b.layout)
		require.NoError(t, err)
		assert.Equal(t, plan.Components()[1:], held, path)
	}
}

// withoutTitles reads a plan in JSON without the steps' titles, which are for people: a
// program writes its own and reads none. A plan without a command is as one with an empty one.
func withoutTitles(t *testing.T, text []byte) map[string]any {
	var p map[string]any
	require.NoError(t, json.Unmarshal(text, &p))
	if p["command"] == nil {
		p["command"] = ""
	}
	for _, s := range p["steps"].([]any) {
		delete(s.(map[string]any), "title")
	}
	return p
}
