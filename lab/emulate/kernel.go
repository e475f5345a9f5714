package emulate

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// kernel returns the folder of the board's unpacked kernel package, which is
// downloaded with apt once, in a state of its own so that the machine's stays
// as it is.
func (b Board) kernel(ctx context.Context, cache string) (string, error) {
	folder := filepath.Join(cache, b.Kernel+"-"+b.Debian)
	if _, err := os.Stat(folder); err == nil {
		return folder, nil
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", err
	}
	work, err := os.MkdirTemp(cache, "apt-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(work)
	file, err := downloadKernel(ctx, work, b.Debian, b.Kernel)
	if err != nil {
		return "", fmt.Errorf("fetch the kernel of %s: %w", b.Name, err)
	}
	unpacked := filepath.Join(work, "unpacked")
	if out, err := exec.CommandContext(ctx, "dpkg-deb", "-x", file, unpacked).CombinedOutput(); err != nil {
		return "", fmt.Errorf("unpack %s: %w\n%s", file, err, out)
	}
	// Another one may have been quicker; its kernel is as good.
	if err := os.Rename(unpacked, folder); err != nil {
		if _, there := os.Stat(folder); there != nil {
			return "", err
		}
	}
	return folder, nil
}

func downloadKernel(ctx context.Context, work, arch, name string) (string, error) {
	for _, sub := range []string{"state/lists/partial", "cache/archives/partial"} {
		if err := os.MkdirAll(filepath.Join(work, sub), 0o755); err != nil {
			return "", err
		}
	}
	apt := func(program string, args ...string) (string, error) {
		args = append([]string{
			"-q", "-o", "APT::Architecture=" + arch, "-o", "APT::Architectures::=" +
				arch, "-o", "APT::Sandbox::User=root",
			"-o", "Acquire::Languages=none",
			"-o", "Dir::State=" + work + "/state", "-o", "Dir::Cache=" + work +
				"/cache", "-o", "Dir::State::status=/dev/null",
		}, args...)
		cmd := exec.CommandContext(ctx, program, args...)
		cmd.Dir = work
		out, err := cmd.CombinedOutput()
		if err != nil {
			return "", fmt.Errorf("%s: %w\n%s", cmd, err, out)
		}
		return string(out), nil
	}
	// Repositories that have nothing for this architecture make apt complain.
	_, updateErr := apt("apt-get", "update")
	depends, err := apt("apt-cache", "depends", name)
	if err != nil {
		return "", errors.Join(updateErr, err)
	}
	_, newest, ok := strings.Cut(depends, "Depends: ")
	if !ok {
		return "", errors.Join(updateErr, fmt.Errorf("%s depends on no kernel:\n%s", name, depends))
	}
	newest, _, _ = strings.Cut(newest, "\n")
	if _, err := apt("apt-get", "download", strings.TrimSpace(newest)); err != nil {
		return "", err
	}
	return one(filepath.Join(work, "linux-image-*.deb"))
}

// one is the only file that a pattern matches.
func one(pattern string) (string, error) {
	found, err := filepath.Glob(pattern)
	if err != nil {
		return "", err
	}
	if len(found) != 1 {
		return "", fmt.Errorf("%s matches %d files, want 1", pattern, len(found))
	}
	return found[0], nil
}
