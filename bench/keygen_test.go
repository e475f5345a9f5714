package bench

import (
	"crypto/rsa"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// counted counts the bytes that candidates for a prime are made of.
type counted struct {
	typicalStream
	bytes int
}

func (c *counted) Read(b []byte) (int, error) {
	if len(b) > 1 {
		c.bytes += len(b)
	}
	return c.typicalStream.Read(b)
}

// A seed always makes the same key, and the typical one takes about as many
// candidates as a key does on average.
func TestTypicalKey(t *testing.T) {
	generate := func(seed uint64) (key *rsa.PrivateKey, bytes int) {
		c := &counted{typicalStream: keyOf(seed)}
		require.NoError(t, withCustomRandomness(func() (err error) {
			key, err = rsa.GenerateKey(c, 2048)
			return err
		}))
		return key, c.bytes
	}
	key, typical := generate(typicalKey)
	again, _ := generate(typicalKey)
	assert.True(t, key.Equal(again))
	other, _ := generate(typicalKey + 1)
	assert.False(t, key.Equal(other))
	const others = 60
	sum := 0
	for seed := range uint64(others) {
		_, n := generate(seed)
		sum += n
	}
	assert.InDelta(t, 1, float64(typical*others)/float64(sum), 0.25)
}

func TestCustomRandomnessIsTakenBack(t *testing.T) {
	for _, was := range []string{"", "http2client=0"} {
		t.Setenv("GODEBUG", was)
		require.NoError(t, withCustomRandomness(func() error {
			assert.Contains(t, os.Getenv("GODEBUG"), "cryptocustomrand=1")
			assert.Contains(t, os.Getenv("GODEBUG"), was)
			return nil
		}))
		assert.Equal(t, was, os.Getenv("GODEBUG"))
	}
	require.NoError(t, os.Unsetenv("GODEBUG"))
	require.NoError(t, withCustomRandomness(func() error { return nil }))
	_, there := os.LookupEnv("GODEBUG")
	assert.False(t, there)
}
