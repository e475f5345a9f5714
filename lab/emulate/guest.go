package emulate

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// guestSource is built for each CPU when it is first needed, so that lab works
// without its own source at hand.
//
//go:embed guest/*.go
var guestSource embed.FS

// Guest returns the path of the guest's program for the board's CPU.
func (b Board) Guest(ctx context.Context, cache string) (string, error) {
	entries, err := guestSource.ReadDir("guest")
	if err != nil {
		return "", err
	}
	texts := map[string][]byte{"go.mod": []byte("module guest\n\ngo 1.25\n")}
	sum := sha256.New()
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), "_test.go") {
			continue
		}
		text, err := guestSource.ReadFile("guest/" + e.Name())
		if err != nil {
			return "", err
		}
		texts[e.Name()] = text
		fmt.Fprintf(sum, "%s %d\n%s", e.Name(), len(text), text)
	}
	path := filepath.Join(cache, "guest-"+b.GOARCH+b.GOARM+"-"+hex.EncodeToString(sum.Sum(nil)[:6]))
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", err
	}
	work, err := os.MkdirTemp(cache, "guest-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(work)
	for name, text := range texts {
		if err := os.WriteFile(filepath.Join(work, name), text, 0o644); err != nil {
			return "", err
		}
	}
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", "guest", ".")
	cmd.Dir = work
	cmd.Env = append(os.Environ(), "GOFLAGS=", "GOWORK=off", "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+b.GOARCH)
	if b.GOARM != "" {
		cmd.Env = append(cmd.Env, "GOARM="+b.GOARM)
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the guest's program: %w\n%s", err, out)
	}
	return path, os.Rename(filepath.Join(work, "guest"), path)
}
