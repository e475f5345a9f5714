package emulate

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"sort"
	"strings"
)

// writeInitramfs writes a root file system for the kernel's memory: the guest's
// program as /init and files, contents or paths on this machine by path on the
// board. It is not compressed, since unpacking takes the board longer than
// loading takes QEMU.
func writeInitramfs(to string, init string, files map[string]string, texts map[string][]byte) error {
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(out, 1<<20)
	a := archive{w: w}
	made := map[string]bool{}
	for _, folder := range []string{"dev", "proc", "sys", "tmp", "run", "etc", "root"} {
		a.folder(made, folder)
	}
	// The kernel opens it for init before anything is mounted.
	a.add("dev/console", deviceMode|0o600, 5<<8|1, nil)
	files["/init"] = init
	names := make([]string, 0, len(files))
	for name := range files {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		data, err := os.ReadFile(files[name])
		if err != nil {
			return errors.Join(err, out.Close())
		}
		name = strings.TrimPrefix(path.Clean(name), "/")
		a.folder(made, path.Dir(name))
		a.add(name, fileMode|0o755, 0, data)
	}
	for name, text := range texts {
		name = strings.TrimPrefix(name, "/")
		a.folder(made, path.Dir(name))
		a.add(name, fileMode|0o644, 0, text)
	}
	a.add("TRAILER!!!", 0, 0, nil)
	return errors.Join(a.err, w.Flush(), out.Close())
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

// folder adds a folder and those that it is in, each once.
func (a *archive) folder(made map[string]bool, name string) {
	if name == "." || made[name] {
		return
	}
	a.folder(made, path.Dir(name))
	made[name] = true
	a.add(name, folderMode|0o755, 0, nil)
}

func (a *archive) add(name string, mode, device int, data []byte) {
	if a.err != nil {
		return
	}
	a.next++
	var head bytes.Buffer
	fmt.Fprintf(&head, "070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X",
		a.next, mode, 0, 0, 1, 0, len(data), 0, 0, device>>8, device&0xff, len(name)+1, 0)
	head.WriteString(name)
	head.WriteByte(0)
	head.Write(padding(head.Len()))
	for _, part := range [][]byte{head.Bytes(), data, padding(len(data))} {
		if _, err := a.w.Write(part); err != nil {
			a.err = err
			return
		}
	}
}

// padding fills n bytes up to a multiple of four.
func padding(n int) []byte { return make([]byte, (4-n%4)%4) }
