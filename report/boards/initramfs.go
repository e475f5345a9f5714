package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
)

// makeInitramfs packs this program, built for ARMv6, as the only program of a
// root file system.
func makeInitramfs(ctx context.Context, work string) (string, error) {
	path := filepath.Join(work, "initramfs.gz")
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	program := filepath.Join(work, "init")
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags=-s -w", "-o", program, "./report/boards")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=arm", "GOARM=6")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%s: %w\n%s", cmd, err, out)
	}
	init, err := os.ReadFile(program)
	if err != nil {
		return "", err
	}
	var packed bytes.Buffer
	zip := gzip.NewWriter(&packed)
	a := archive{w: zip}
	for _, folder := range []string{"dev", "proc", "sys"} {
		a.add(folder, folderMode|0o755, 0, nil)
	}
	// The kernel opens it for init before anything is mounted.
	a.add("dev/console", deviceMode|0o600, 5<<8|1, nil)
	a.add("init", fileMode|0o755, 0, init)
	a.add("TRAILER!!!", 0, 0, nil)
	if a.err != nil {
		return "", a.err
	}
	if err := zip.Close(); err != nil {
		return "", err
	}
	return path, os.WriteFile(path, packed.Bytes(), 0o644)
}

// File types of stat(2).
const (
	fileMode   = 0o100000
	folderMode = 0o040000
	deviceMode = 0o020000
)

// archive writes cpio's "newc" form, as in the kernel's
// Documentation/driver-api/early-userspace/buffer-format.rst.
type archive struct {
	w    io.Writer
	next int
	err  error
}

func (a *archive) add(name string, mode, device int, data []byte) {
	if a.err != nil {
		return
	}
	a.next++
	var b bytes.Buffer
	fmt.Fprintf(&b, "070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X",
		a.next, mode, 0, 0, 1, 0, len(data), 0, 0, device>>8, device&0xff, len(name)+1, 0)
	b.WriteString(name)
	b.WriteByte(0)
	pad := func() { b.Write(make([]byte, (4-b.Len()%4)%4)) }
	pad()
	b.Write(data)
	pad()
	_, a.err = a.w.Write(b.Bytes())
}
