package hwdetect

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the golden results anew")

// TestBoards reads what real boards report (testdata/boards/README.md names the
// sources) and compares with each board's golden result.
func TestBoards(t *testing.T) {
	folders, err := filepath.Glob("../testdata/boards/*/proc")
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(folders), 15)
	for _, proc := range folders {
		folder := filepath.Dir(proc)
		t.Run(filepath.Base(folder), func(t *testing.T) {
			b, err := Read(folder)
			require.NoError(t, err)
			got, err := json.MarshalIndent(b, "", "  ")
			require.NoError(t, err)
			got = append(got, '\n')
			golden := filepath.Join(folder, "board.json")
			if *update {
				require.NoError(t, os.WriteFile(golden, got, 0o644))
			}
			want, err := os.ReadFile(golden)
			require.NoError(t, err, "go test ./hwdetect -run TestBoards -update")
			assert.Equal(t, string(want), string(got))
		})
	}
}
