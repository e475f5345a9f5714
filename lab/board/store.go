package board

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/kubeadm-arm/kubeadm-arm/lab/cache"
)

// importImages imports archives into the board's containerd and keeps its
// data folder as store for the boards to come. containerd is stopped for that,
// so that its databases are whole.
func (b *Board) importImages(ctx context.Context, archives []string, store string) error {
	// The board sees its own files only; /var/lib/containerd is one folder that
	// both sides know.
	inBoard := filepath.Join(b.Dir, "containerd", "images.tar")
	for _, archive := range archives {
		if err := os.Link(archive, inBoard); err != nil {
			return err
		}
		if out, err := b.output(ctx, "ctr", "-n", "k8s.io", "images", "import",
			"/var/lib/containerd/images.tar"); err != nil {
			return fmt.Errorf("import images: %w: %s", err, out)
		}
		if err := os.Remove(inBoard); err != nil {
			return err
		}
	}
	if out, err := b.output(ctx, "systemctl", "stop", "containerd"); err != nil {
		return fmt.Errorf("stop containerd: %w: %s", err, out)
	}
	// Inside the board's folder, so that it goes with it if this is interrupted.
	tmp := filepath.Join(b.Dir, "store")
	if err := copyTree(ctx, filepath.Join(b.Dir, "containerd"), tmp); err != nil {
		return err
	}
	// Another lab may have been quicker; its store is as good.
	if err := os.Rename(tmp, store); err != nil && !cache.IsDir(store) {
		return err
	}
	if out, err := b.output(ctx, "systemctl", "start", "containerd"); err != nil {
		return fmt.Errorf("start containerd: %w: %s", err, out)
	}
	return b.waitContainerd(ctx)
}

// linkStore fills a board's containerd folder from the store. Blobs and
// unpacked layers are never written again, so that hard links do: no gigabyte
// is copied, and no writeback disturbs what is measured next. Databases are
// copied.
func linkStore(store, to string) error {
	err := filepath.WalkDir(store, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(store, path)
		if err != nil {
			return err
		}
		target := filepath.Join(to, rel)
		info, err := d.Info()
		if err != nil {
			return err
		}
		switch {
		case d.IsDir():
			if err := os.Mkdir(target, 0o700); err != nil && rel != "." {
				return err
			}
			return copyOwner(info, target)
		case info.Mode().IsRegular() && strings.HasSuffix(path, ".db"):
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			return os.WriteFile(target, text, info.Mode().Perm())
		case info.Mode()&(fs.ModeSocket|fs.ModeNamedPipe) != 0:
			return nil
		}
		return os.Link(path, target)
	})
	if err != nil {
		return fmt.Errorf("copy the images: %w", err)
	}
	return nil
}

// copyOwner gives a folder the owner and mode of another.
func copyOwner(info fs.FileInfo, path string) error {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		if err := os.Lchown(path, int(st.Uid), int(st.Gid)); err != nil {
			return err
		}
	}
	return os.Chmod(path, info.Mode())
}

// copyTree copies a file or folder with everything that cp -a keeps.
func copyTree(ctx context.Context, from, to string) error {
	var out bytes.Buffer
	cmd := exec.CommandContext(ctx, "cp", "-a", from, to)
	cmd.Stderr = &out
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("copy %s: %w: %s", from, err, out.String())
	}
	return nil
}
