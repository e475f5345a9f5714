package kube

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/kubeadm-arm/kubeadm-arm/lab/command"
	"github.com/kubeadm-arm/kubeadm-arm/lab/progress"
)

// toolchainFile, in a module's folder, holds the Go that it is built with, such
// as go1.22.9. Without it that is the Go at hand.
const toolchainFile = "toolchain"

// goVersionForm is what Kubernetes writes into .go-version.
var goVersionForm = regexp.MustCompile(`^1\.(\d+)(\.\d+)?$`)

// chooseGo writes to a toolchainFile which Go builds the Kubernetes in source.
// Each release says in .go-version which Go made it. Another minor version makes
// another program: cryptography is faster or slower, and what the standard
// library has become strict about fails (kubeadm v1.31 composes URLs that
// net/url refuses since Go 1.26).
func chooseGo(ctx context.Context, source, file string) error {
	text, err := os.ReadFile(filepath.Join(source, ".go-version"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	wanted := strings.TrimSpace(string(text))
	here, err := goCommand(ctx, os.TempDir(), "env", "GOVERSION").Output()
	if err != nil {
		return fmt.Errorf("ask go for its version: %w", err)
	}
	if !goVersionForm.MatchString(wanted) || sameMinor(wanted,
		strings.TrimPrefix(strings.TrimSpace(string(here)), "go")) {
		return nil
	}
	toolchain := "go" + wanted
	probe := goCommand(ctx, os.TempDir(), "version")
	probe.Env = append(probe.Env, "GOTOOLCHAIN="+toolchain)
	if err := progress.Step(ctx, "fetching Go "+wanted+", which made this Kubernetes",
		func() error { return command.Quiet(probe) }); err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		progress.Log("it cannot be had, taking %s: %v", strings.TrimSpace(string(here)), err)
		return nil
	}
	return os.WriteFile(file, []byte(toolchain), 0o644)
}

// sameMinor compares Go versions such as 1.26.8 and 1.26.10.
func sameMinor(a, b string) bool {
	ma, mb := goVersionForm.FindStringSubmatch(a), goVersionForm.FindStringSubmatch(b)
	return ma != nil && mb != nil && ma[1] == mb[1]
}
