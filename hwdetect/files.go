package hwdetect

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// maxFile bounds what is read of one file: the largest of them, a kernel's
// configuration, has a third of it.
const maxFile = 1 << 20

// files reads below a root folder. What cannot be read is empty: a board that
// lacks a file is an ordinary board.
type files struct{ root string }

func (f files) at(path string) string { return filepath.Join(f.root, path) }

func (f files) read(path string) []byte { return f.readUpTo(path, maxFile) }

func (f files) readUpTo(path string, limit int64) []byte {
	// Without O_NONBLOCK opening a FIFO waits for ever.
	file, err := os.OpenFile(f.at(path), os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil
	}
	defer file.Close()
	if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil
	}
	text, err := io.ReadAll(io.LimitReader(file, limit))
	if err != nil {
		return nil
	}
	return text
}

// line is a file's first line, without blanks around it.
func (f files) line(path string) string {
	line, _, _ := strings.Cut(string(f.read(path)), "\n")
	return strings.TrimSpace(line)
}

func (f files) exists(path string) bool {
	_, err := os.Lstat(f.at(path))
	return err == nil
}

func (f files) folder(path string) bool {
	info, err := os.Lstat(f.at(path))
	return err == nil && info.IsDir()
}

// names lists a folder.
func (f files) names(path string) []string {
	entries, err := os.ReadDir(f.at(path))
	if err != nil {
		return nil
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	return names
}

// lines are a text's lines without comments (from # on) and blank ones.
func lines(text []byte) []string {
	var all []string
	for _, line := range strings.Split(string(text), "\n") {
		line, _, _ = strings.Cut(line, "#")
		if line = strings.TrimSpace(line); line != "" {
			all = append(all, line)
		}
	}
	return all
}
