package emulate

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"
)

// The guest's words on its console, between the kernel's.
const (
	said   = "BOARD> "
	done   = "BOARD. "
	failed = "BOARD! "
)

// listen reads the console until the guest has reported everything.
func listen(console io.Reader) ([]byte, error) {
	var encoded strings.Builder
	var last []string
	lines := bufio.NewScanner(console)
	for lines.Scan() {
		line := strings.TrimRight(lines.Text(), "\r")
		switch {
		case strings.HasPrefix(line, said):
			encoded.WriteString(strings.TrimPrefix(line, said))
			continue
		case strings.HasPrefix(line, failed):
			return nil, errors.New("on the board: " + strings.TrimPrefix(line, failed))
		case strings.HasPrefix(line, done):
			packed, err := base64.StdEncoding.DecodeString(encoded.String())
			if err != nil {
				return nil, fmt.Errorf("the board's report was garbled: %w", err)
			}
			unpack, err := gzip.NewReader(bytes.NewReader(packed))
			if err != nil {
				return nil, fmt.Errorf("the board's report was garbled: %w", err)
			}
			return io.ReadAll(unpack)
		}
		if last = append(last, line); len(last) > 20 {
			last = last[1:]
		}
	}
	return nil, fmt.Errorf("the board fell silent; its last words:\n%s", strings.Join(last, "\n"))
}
