package bench

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestNumbersOutOfRange(t *testing.T) {
	for field, text := range map[string]string{
		"samples[0].median":              `{"samples":[{"name":"x","unit":"s/op","median":1e300}]}`,
		"samples[0].p99":                 `{"samples":[{"name":"x","unit":"` + SecondsPerOp + `","p99":86401}]}`,
		"samples[0].p10":                 `{"samples":[{"name":"x","unit":"` + SecondsPerOp + `","p10":1e-300}]}`,
		"samples[0].n":                   `{"samples":[{"n":-1}]}`,
		"samples[1].values[1]":           `{"samples":[{},{"values":[1,-1e-9]}]}`,
		"elapsed":                        `{"elapsed":1e10}`,
		"cores.quota":                    `{"cores":{"quota":-0.5}}`,
		"runtime.cpus":                   `{"runtime":{"cpus":1000000}}`,
		"before.temperatures[0].celsius": `{"before":{"temperatures":[{"celsius":-300}]}}`,
		"after.clocks[0].maximum":        `{"after":{"clocks":[{"maximum":1e16}]}}`,
		"others":                         `{"others":1e200}`,
	} {
		_, err := Parse([]byte(`{"schema":"` + Schema + `",` + text[1:]))
		var bad *RangeError
		require.ErrorAs(t, err, &bad, field)
		assert.Equal(t, field, bad.Field)
	}
	_, err := Parse([]byte(`{"schema":"` + Schema +
		`","before":{"temperatures":[{"celsius":-20}]},"samples":[{"unit":"B/s","median":1e12}]}`))
	assert.NoError(t, err)
}
