// Package command runs commands whose output matters only when they fail.
package command

import (
	"bytes"
	"fmt"
	"os/exec"
	"strings"
)

// Quiet runs a command and shows its output only when it fails.
func Quiet(cmd *exec.Cmd) error {
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("run %s in %s: %w\n%s", strings.Join(cmd.Args, " "), cmd.Dir, err, Tail(out.String(), 20))
	}
	return nil
}

// Tail returns the last n lines.
func Tail(text string, n int) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
