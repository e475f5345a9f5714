package storage

import (
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/kubeadm-arm/kubeadm-arm/internal/durable"
)

// A Board is the doors to the machine that the package works on.
type Board struct {
	Run Runner
	// FS changes its files.
	FS  durable.FS
	Now func() time.Time
	// Tell is told in a line what is being done; nil is silent.
	Tell func(line string)
	// Program is the path by which systemd starts this program; if it is empty,
	// there are no drop-ins.
	Program string
	// Identity is what tells this board from others; nil has it read from the
	// hardware.
	Identity func() string
	// DeviceWait is how long looking at the disks may take; 0 is half a minute.
	DeviceWait time.Duration
	// Grace is how long a run may go on putting things in order once its context has
	// ended; 0 is eight seconds. What it does not come to is left to the next run.
	Grace time.Duration
}

func (b Board) grace() time.Duration {
	if b.Grace > 0 {
		return b.Grace
	}
	return 8 * time.Second
}

func (b Board) tell(format string, args ...any) {
	if b.Tell != nil {
		b.Tell(fmt.Sprintf(format, args...))
	}
}

const (
	fstabPath = "/etc/fstab"
	// stateFolder is not below /etc/kubernetes, which kubeadm reset empties.
	stateFolder = "/var/lib/kubeadm-arm"
	journalPath = stateFolder + "/storage.json"
	// DefaultMount is where the disk is mounted unless the wish says otherwise.
	DefaultMount = "/mnt/root"
)

// beside is a name of ours in the same folder.
func beside(path, what string) string {
	return filepath.Join(filepath.Dir(path), ".kubeadm-arm-"+what+"-"+filepath.Base(path))
}

func sorted[V any](m map[string]V) []string {
	var keys []string
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
