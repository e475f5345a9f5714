package bootstrap

import (
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// What waits looks at /proc again and again, and on a slow board the looking is
// what kubeadm-arm costs. os.ReadFile asks the kernel seven times for each file,
// four of them to find out whether it is one that can be waited for.

// maxKernelFile is about how much of one of these files is read, in bytes.
const maxKernelFile = 64 << 10

// readKernelFile reads a short file of /proc or /sys with three calls. What it
// returns is an *os.PathError, as os.ReadFile's is.
func readKernelFile(path string) ([]byte, error) {
	fd, err := ignoringEINTR(func() (int, error) { return unix.Open(path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0) })
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	defer unix.Close(fd)
	// A file that fills it is read on, up to a limit: a command line can have megabytes.
	buf := make([]byte, 0, 1024)
	for {
		n, err := ignoringEINTR(func() (int, error) { return unix.Read(fd, buf[len(buf):cap(buf)]) })
		if err != nil {
			return nil, &os.PathError{Op: "read", Path: path, Err: err}
		}
		buf = buf[:len(buf)+n]
		// These files are made whole for a reader who has room for them.
		if n == 0 || len(buf) < cap(buf) || len(buf) >= maxKernelFile {
			return buf, nil
		}
		buf = append(buf, 0)[:len(buf)]
	}
}

// writeKernelFile writes to a file of /proc or /sys that is there already.
func writeKernelFile(path, text string) error {
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

// namesIn returns what lies in a folder, in no order; nothing of one that is not there.
func namesIn(dir string) []string {
	f, err := os.OpenFile(dir, os.O_RDONLY|unix.O_DIRECTORY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil
	}
	defer f.Close()
	names, _ := f.Readdirnames(maxNames)
	return names
}

// numbersIn is namesIn without the names that do not begin with a digit: of /proc
// and of a process's task folder the ids.
func numbersIn(dir string) []string {
	names := namesIn(dir)
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
