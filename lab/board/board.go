// Package board is the record that every board of lab has, and boards of namespaces: real
// containerd and kubelet in namespaces and cgroups of this machine. See package emulated
// for the others.
package board

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"

	"github.com/kubeadm-arm/kubeadm-arm/lab/cache"
	"github.com/kubeadm-arm/kubeadm-arm/lab/cgroup"
	"github.com/kubeadm-arm/kubeadm-arm/lab/command"
	"github.com/kubeadm-arm/kubeadm-arm/lab/network"
)

// Board is a throwaway board. Its folder holds all its files and board.json,
// which is written before anything is started, so that whatever was left by a
// killed lab can be found and removed.
type Board struct {
	Name    string        `json:"name"`
	Version string        `json:"kubernetes"`
	NodeIP  string        `json:"nodeIP"`
	Limits  cgroup.Limits `json:"limits"`
	Disk    Disk          `json:"disk"`
	// Emulated is the kind of a board that QEMU emulates; empty is a board of
	// namespaces. Disks are those that an emulated board has beyond its own.
	Emulated string      `json:"emulated,omitempty"`
	Disks    []ExtraDisk `json:"disks,omitempty"`
	// Dilation is how many seconds here one second of an emulated board takes; 0 is 1.
	Dilation int `json:"timeDilation,omitempty"`
	// Count is the nanoseconds that an instruction takes where the clock of an emulated
	// board counts them by choice; 0 is the board's own way.
	Count int `json:"count,omitempty"`
	// Network is that of its boards which reach each other, empty for a board alone.
	// Endpoint has the network's name EndpointName stand for this board.
	Network  string       `json:"network,omitempty"`
	Endpoint bool         `json:"endpoint,omitempty"`
	Link     network.Link `json:"link,omitzero"`
	// Bare is a board without a pod network.
	Bare bool `json:"bare,omitempty"`
	// Owner is the process that the board is for; the board is taken down when
	// another is made and its owner has ended. Zero is nobody: it stays.
	Owner Process `json:"owner,omitzero"`
	// First is the board's process 1, or its QEMU.
	First Process `json:"first"`
	// DiskServer is the process behind a slowed disk, on the host's side.
	DiskServer Process `json:"diskServer,omitzero"`
	// Pacer is the process that measures what CPU time is worth, of a paced board.
	Pacer Process `json:"pacer,omitzero"`
	// CPUSecondsAtUp is what starting the board and importing images took.
	CPUSecondsAtUp float64 `json:"cpuSecondsAtUp"`
	// WrittenBytesAtUp is what starting it wrote. The kernel counts for a process
	// also what its ended children wrote: the supervisor keeps what the containerd
	// wrote that imported the images, before it was started anew.
	WrittenBytesAtUp int64 `json:"writtenBytesAtUp"`
	// Dir holds everything that the board has on this machine.
	Dir string `json:"-"`
}

// ExtraDisk is a disk of an emulated board beyond its own. There it is
// /dev/disk/by-id/virtio-lab-disk-N, N counting from 1.
type ExtraDisk struct {
	Bytes   int64 `json:"bytes"`
	Removed bool  `json:"removed,omitempty"`
}

// DefaultNodeIP is the address that a board's network is made with.
const DefaultNodeIP = "10.88.0.2"

// NameForm keeps a name fit for a hostname, a folder and a cgroup.
var NameForm = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$`)

// DirOf is the folder of the board of that name. The error says that it is no name.
func DirOf(name string) (string, error) {
	if !NameForm.MatchString(name) {
		return "", fmt.Errorf("board name %q: want small letters, digits and dashes, as in a hostname", name)
	}
	boards, err := cache.Folder("boards")
	return filepath.Join(boards, name), err
}

// Load returns the board of that name, which must be up.
func Load(name string) (*Board, error) {
	dir, err := DirOf(name)
	if err != nil {
		return nil, err
	}
	b, err := Read(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("board %s: not up\nhint: lab up --name %s", name, name)
	}
	return b, err
}

// Read returns the board whose folder is dir.
func Read(dir string) (*Board, error) {
	path := filepath.Join(dir, "board.json")
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	b := &Board{Dir: dir}
	if err := json.Unmarshal(text, b); err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return b, nil
}

// Save writes the board's record.
func (b *Board) Save() error {
	text, err := json.MarshalIndent(b, "", "  ")
	if err != nil {
		return err
	}
	return cache.Replace(filepath.Join(b.Dir, "board.json"),
		func(to string) error { return os.WriteFile(to, append(text, '\n'), 0o644) })
}

// Create makes the board's folder with its record. Of two that want the name, or an
// address of a network, one gets it.
func (b *Board) Create() error {
	unlock, err := b.takeAddress()
	if err != nil {
		return err
	}
	defer unlock()
	if err := os.Mkdir(b.Dir, 0o755); err != nil {
		return fmt.Errorf("board %s: %w", b.Name, err)
	}
	if err := b.Save(); err != nil {
		return errors.Join(err, os.RemoveAll(b.Dir))
	}
	return nil
}

// OpenLog opens the file that holds what the board's first Process, or its QEMU, says.
func (b *Board) OpenLog() (*os.File, error) {
	return os.OpenFile(filepath.Join(b.Dir, "board.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
}

// LogTail is the end of that file.
func (b *Board) LogTail() string {
	text, _ := os.ReadFile(filepath.Join(b.Dir, "board.log"))
	return command.Tail(string(text), 20)
}

// All lists all boards whose folder is there.
func All() ([]*Board, error) {
	dir, err := cache.Folder("boards")
	if err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var all []*Board
	for _, e := range entries {
		b, err := Load(e.Name())
		if err != nil {
			// Killed between making the folder and writing board.json.
			b = &Board{Name: e.Name(), Dir: filepath.Join(dir, e.Name())}
		}
		all = append(all, b)
	}
	return all, nil
}
