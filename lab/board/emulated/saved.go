package emulated

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/kubeadm-arm/kubeadm-arm/lab/board"
	"github.com/kubeadm-arm/kubeadm-arm/lab/cache"
	"github.com/kubeadm-arm/kubeadm-arm/lab/emulate"
	"github.com/kubeadm-arm/kubeadm-arm/lab/progress"
)

// allStartedScript fails on a board on which something did not start: every board that goes
// on from its state would lack it.
const allStartedScript = "systemctl is-system-running --wait || { systemctl --failed --no-legend; exit 1; }\n"

// startNew starts a board for the first time: from the state of one that was
// started before, where there are such, or from the disk base.
func (b Board) startNew(ctx context.Context, base string, files map[string][]byte, programs map[string]string) error {
	m := b.machine()
	// A state has the network and the disks of the board that it was saved of.
	if !m.Saves() || b.NodeIP != board.DefaultNodeIP || len(b.Disks) > 0 {
		if err := m.MakeRoot(ctx, base); err != nil {
			return err
		}
		return progress.Step(ctx, "starting board "+b.Name, func() error { return b.start(ctx, files, programs) })
	}
	saved, err := b.savedState(ctx, m, base)
	if err != nil {
		return err
	}
	folder, err := cache.Folder("emulated")
	if err != nil {
		return err
	}
	// The board's own name, so that one of the same name is the same again.
	seed := sha256.Sum256([]byte(b.Name))
	files[emulate.SeedFile] = seed[:]
	files["/etc/machine-id"] = fmt.Appendf(nil, "%x\n", seed[:16])
	m.Files, m.Programs = files, programs
	return progress.Step(ctx, "starting board "+b.Name+" from its saved state", func() error {
		start := func(m emulate.Machine) error { return b.startMachine(ctx, folder, m) }
		err := m.Resume(ctx, folder, saved, start, func() bool { return b.First.Alive() })
		if err != nil {
			err = fmt.Errorf("board %s does not come up: %w\n%s\n%s", b.Name, err, b.LogTail(), emulate.Console(b.Dir))
		}
		return err
	})
}

// savedState returns the folder with the state of a board of the same kind that has
// started from the disk base. It is made the first time.
func (b Board) savedState(ctx context.Context, m emulate.Machine, base string) (string, error) {
	dir := filepath.Join(filepath.Dir(base), m.Key())
	unlock, err := cache.Lock(ctx, dir+".lock")
	if err != nil {
		return "", err
	}
	defer unlock()
	return dir, cache.Once(dir, func(to string) (err error) {
		if err := os.RemoveAll(to); err != nil { // what an interrupted run left
			return err
		}
		defer func() {
			if err != nil {
				err = errors.Join(err, os.RemoveAll(to))
			}
		}()
		if err := os.Mkdir(to, 0o755); err != nil {
			return err
		}
		nobody := Board{Board: &board.Board{Name: "board", Version: b.Version, NodeIP: b.NodeIP}, kind: b.kind}
		m.Dir, m.Programs = to, nil
		if m.Files, err = nobody.ownFiles(); err != nil {
			return err
		}
		if err := m.MakeRoot(ctx, base); err != nil {
			return err
		}
		folder, err := cache.Folder("emulated")
		if err != nil {
			return err
		}
		return progress.Step(ctx, "starting a board of the kind "+b.kind.Name+" and saving its state", func() error {
			return m.StartAndSave(ctx, folder, allStartedScript+startedScript)
		})
	})
}
