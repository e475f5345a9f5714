package plan

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Every type of step has a kind and a title of its own, and is read back as what it was.
func TestEveryStepIsRegistered(t *testing.T) {
	var kinds []string
	for _, s := range stepTypes() {
		assert.NotContains(t, kinds, s.Kind())
		kinds = append(kinds, s.Kind())
		text, err := json.Marshal(Plan{Steps: []Step{s}})
		require.NoError(t, err)
		var again Plan
		require.NoError(t, json.Unmarshal(text, &again))
		assert.Equal(t, []Step{s}, again.Steps)
		assert.NoError(t, s.Check())
	}
	for _, f := range []Facts{
		{Speed: slow(15), Kubeadm: behaviour(t, 37, 2), Profile: Balanced}, {Speed: Reference(), Kubeadm: behaviour(t, 13,
			1)},
	} {
		for _, s := range MakeInit(f).Steps {
			assert.True(t, slices.Contains(kinds, s.Kind()), "%T", s)
			assert.NotEmpty(t, s.Title(), "%T", s)
		}
	}
}
