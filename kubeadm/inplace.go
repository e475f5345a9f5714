package kubeadm

import (
	"fmt"
	"runtime"

	"golang.org/x/sys/unix"
)

// InPlaceOf calls do while dir stands in the place of another folder, for this thread and the
// processes that it starts only (mount_namespaces(7)). kubeadm's paths of kubeconfigs and
// of manifests are fixed.
func InPlaceOf(dir, place string, do func() error) error {
	done := make(chan error, 1)
	go func() {
		// The thread is never unlocked, so it ends with the goroutine, and nobody else sees
		// its mounts.
		runtime.LockOSThread()
		done <- func() error {
			if err := unix.Unshare(unix.CLONE_FS | unix.CLONE_NEWNS); err != nil {
				return fmt.Errorf("have kubeadm work on a copy: unshare: %w", err)
			}
			if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
				return fmt.Errorf("have kubeadm work on a copy: mount: %w", err)
			}
			if err := unix.Mount(dir, place, "", unix.MS_BIND, ""); err != nil {
				return fmt.Errorf("have kubeadm work on a copy: mount %s on %s: %w", dir, place, err)
			}
			return do()
		}()
	}()
	return <-done
}
