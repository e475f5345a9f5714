package systemd

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/kubeadm-arm/kubeadm-arm/internal/shell"
)

// UntrustedError says why root must not be made to run a program at every start of
// the board.
type UntrustedError struct {
	// Program is the path that would stand in the unit, Path what is wrong: the
	// program, or a folder above it.
	Program, Path string
	Why           string
}

func (e *UntrustedError) Error() string {
	text := fmt.Sprintf("%s cannot be started by systemd as root: ", e.Program)
	if e.Path != e.Program {
		text += e.Path + " "
	}
	return text + e.Why
}

// Hint says what can be done.
func (e *UntrustedError) Hint() string {
	program := e.Program
	if program == "" {
		program = "kubeadm-arm"
	}
	folder := installFolder("/usr/local/bin", "/usr/bin")
	return "install it first: sudo install -m 755 " + shell.Quote(program) + " " + folder +
		"/kubeadm-arm, and run it from there"
}

// installFolder is the first of some folders that a unit may name a program in, else
// the last one. Debian's /usr/local/bin has been writable by its group staff (Debian
// Policy 9.1.2).
func installFolder(folders ...string) string {
	for _, folder := range folders {
		if at, _ := firstUntrusted(folder); at == "" {
			return folder
		}
	}
	return folders[len(folders)-1]
}

// firstUntrusted is the first of a path and the folders above it that others than root
// can change, and why; empty for none.
func firstUntrusted(path string) (at, why string) {
	for at := path; ; at = filepath.Dir(at) {
		if why := untrusted(at); why != "" {
			return at, why
		}
		if at == filepath.Dir(at) {
			return "", ""
		}
	}
}

// TrustedProgram returns the path to write into a unit for a program: links
// resolved, so that no folder that others can write to has a say. Whoever can
// replace the program or a folder above it becomes root at the next start of the
// board; so the program and all folders above it must belong to root and must not be
// writable by group or others, a sticky bit or not: /tmp is emptied at each start,
// and then is anybody's. An access control list shows in the group's bits (acl(5)).
// The error is an [*UntrustedError].
func TrustedProgram(program string) (string, error) {
	path, err := filepath.EvalSymlinks(program)
	if err == nil {
		path, err = filepath.Abs(path)
	}
	if err != nil {
		return "", &UntrustedError{program, program, fmt.Sprintf("cannot be found: %v", unwrap(err))}
	}
	if _, err := CommandLine(path); err != nil {
		return "", &UntrustedError{path, path, err.Error()}
	}
	info, err := os.Lstat(path)
	if err == nil && (!info.Mode().IsRegular() || info.Mode()&0o111 == 0) {
		return "", &UntrustedError{path, path, "is not a program"}
	}
	if at, why := firstUntrusted(path); at != "" {
		return "", &UntrustedError{path, at, why}
	}
	return path, nil
}

// untrusted says why others than root can change what is at a path.
func untrusted(path string) string {
	info, err := os.Lstat(path)
	if err != nil {
		return fmt.Sprintf("cannot be looked at: %v", unwrap(err))
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	switch {
	case !ok:
		return "has no owner that could be asked for"
	case info.Mode()&fs.ModeSymlink != 0:
		return "became a symbolic link just now"
	case stat.Uid != 0:
		return fmt.Sprintf("belongs to user %d, not to root", stat.Uid)
	case info.Mode().Perm()&0o022 != 0:
		return fmt.Sprintf("can be written to by others than root (mode %04o)", info.Mode().Perm())
	}
	return ""
}

// unwrap drops the path from an error whose sentence names it already.
func unwrap(err error) error {
	if p, ok := err.(*fs.PathError); ok {
		return p.Err
	}
	return err
}
