package bench

import (
	"io/fs"

	"github.com/kubeadm-arm/kubeadm-arm/internal/safefile"
)

// Limits of what is read of the kernel: /proc/stat of a machine with many interrupts
// has some hundred kilobytes.
const (
	maxKernelFile = 1 << 20
	maxListed     = 1 << 16
)

// Machine is this machine's root folder, with limits of what is read.
func Machine() fs.FS { return safefile.Root("/").FS(maxKernelFile, maxListed) }
