// Package tarfile adds programs to tar archives.
package tarfile

import (
	"archive/tar"
	"io"
	"os"
)

// AddProgram adds the file from, which everybody may execute, under the name to.
func AddProgram(w *tar.Writer, to, from string) error {
	f, err := os.Open(from)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if err := w.WriteHeader(&tar.Header{Name: to, Typeflag: tar.TypeReg, Mode: 0o755, Size: info.Size()}); err != nil {
		return err
	}
	_, err = io.Copy(w, f)
	return err
}
