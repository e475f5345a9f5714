package bench

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/binary"
	mathrand "math/rand/v2"
	"os"
	"strings"
)

// rsaKeygen generates the same key again and again. How many numbers are tried
// until two are prime is luck: of a dozen keys one takes ten times as long as
// another, on every board, so that no median of a few keys says anything. It is
// apart because one operation can outlast everything else: see expensive.
func rsaKeygen() work {
	return repeat("keygen/"+rsa2048, func() error {
		return withCustomRandomness(func() error {
			_, err := rsa.GenerateKey(keyOf(typicalKey), 2048)
			return err
		})
	})
}

// withCustomRandomness has crypto/rsa read from the reader that it is given. It
// ignores that reader since Go 1.26 unless GODEBUG says so (crypto/rsa,
// GenerateKey); if a later Go ignores it always, the samples scatter and say so.
func withCustomRandomness(f func() error) error {
	const name, setting = "GODEBUG", "cryptocustomrand=1"
	was, there := os.LookupEnv(name)
	if err := os.Setenv(name, strings.TrimPrefix(was+","+setting, ",")); err != nil {
		return err
	}
	defer func() {
		if there {
			_ = os.Setenv(name, was)
		} else {
			_ = os.Unsetenv(name)
		}
	}()
	return f()
}

// typicalKey is the seed of a key that takes as long as a key does on average: of
// the first 300 seeds the mean was 41.6 ms and this one's 41.2 ms (TestTypicalKey).
const typicalKey = 7

// typicalStream is the endless stream of bytes of one seed.
type typicalStream struct{ stream *mathrand.ChaCha8 }

func keyOf(seed uint64) typicalStream {
	var s [32]byte
	binary.BigEndian.PutUint64(s[:], seed)
	return typicalStream{mathrand.NewChaCha8(s)}
}

// Read gives single bytes from elsewhere: crypto/internal/randutil now and then
// reads one so that nobody relies on what comes out.
func (t typicalStream) Read(b []byte) (int, error) {
	if len(b) == 1 {
		return rand.Read(b)
	}
	return t.stream.Read(b)
}
