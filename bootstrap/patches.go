package bootstrap

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/kubeadm-arm/kubeadm-arm/internal/safefile"
)

// DurablePatches returns the patches that an earlier run laid down, by file
// name; none is no error.
func (l Layout) DurablePatches() (map[string][]byte, error) {
	entries, err := safefile.List(l.Patches(), maxListed)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the board's patches: %w", err)
	}
	all := map[string][]byte{}
	for _, e := range entries {
		if e.IsDir() || strings.HasPrefix(e.Name(), ".") {
			continue
		}
		text, err := safefile.Read(filepath.Join(l.Patches(), e.Name()), maxFile)
		if err != nil {
			return nil, fmt.Errorf("read the board's patches: %w", err)
		}
		all[e.Name()] = text
	}
	return all, nil
}
