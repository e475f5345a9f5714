package linux

import (
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// Waiting for a component reads /proc again and again, and on a slow board these
// reads are most of what kubeadm-arm costs. os.ReadFile makes seven system calls for
// each file, four of them to find out whether it can be polled.

// maxFile is about how much of one of these files is read, in bytes.
const maxFile = 64 << 10

// ReadFile reads a short file of /proc or /sys, at most 64 KiB of it, with three
// system calls. The error is an *os.PathError, as os.ReadFile's is.
func ReadFile(path string) ([]byte, error) {
	fd, err := ignoringEINTR(func() (int, error) {
		return unix.Open(path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC,
			0)
	})
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	defer unix.Close(fd)
	// A file that fills it is read further, up to a limit: a command line can have
	// megabytes.
	buf := make([]byte, 0, 1024)
	for {
		n, err := ignoringEINTR(func() (int, error) { return unix.Read(fd, buf[len(buf):cap(buf)]) })
		if err != nil {
			return nil, &os.PathError{Op: "read", Path: path, Err: err}
		}
		buf = buf[:len(buf)+n]
		// The kernel hands these files out whole to a reader with enough room.
		if n == 0 || len(buf) < cap(buf) || len(buf) >= maxFile {
			return buf, nil
		}
		buf = append(buf, 0)[:len(buf)]
	}
}

// WriteFile writes to an existing file of /proc or /sys and never creates one. The
// error is an *os.PathError.
func WriteFile(path, text string) error {
	fd, err := ignoringEINTR(func() (int, error) { return unix.Open(path, unix.O_WRONLY|unix.O_CLOEXEC, 0) })
	if err != nil {
		return &os.PathError{Op: "open", Path: path, Err: err}
	}
	defer unix.Close(fd)
	if _, err := ignoringEINTR(func() (int, error) { return unix.Write(fd, []byte(text)) }); err != nil {
		return &os.PathError{Op: "write", Path: path, Err: err}
	}
	return nil
}

// maxNames bounds a listing: /proc has as many processes as the kernel allows
// (pid_max), the folder of pod logs as many pods as there ever were.
const maxNames = 1 << 17

// Names lists a folder in no particular order; a folder that cannot be read is empty.
func Names(dir string) []string {
	f, err := os.OpenFile(dir, os.O_RDONLY|unix.O_DIRECTORY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil
	}
	defer f.Close()
	names, _ := f.Readdirnames(maxNames)
	return names
}

// Numbers is Names without those that do not begin with a digit: in /proc and in a
// process's task folder, these are the ids.
func Numbers(dir string) []string {
	names := Names(dir)
	ids := names[:0]
	for _, n := range names {
		if strings.Trim(n[:1], "0123456789") == "" {
			ids = append(ids, n)
		}
	}
	return ids
}

func ignoringEINTR(call func() (int, error)) (int, error) {
	for {
		n, err := call()
		if err != unix.EINTR {
			return n, err
		}
	}
}
