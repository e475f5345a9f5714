package linux

import (
	"io/fs"
	"iter"
	"path/filepath"
)

// Candidates yields where a program may be: its name in each folder of a list of
// the form of $PATH. Relative folders are left out, as they would find whatever lies
// in the working directory; os/exec refuses them, too.
func Candidates(list, name string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, dir := range filepath.SplitList(list) {
			if filepath.IsAbs(dir) && !yield(filepath.Join(dir, name)) {
				return
			}
		}
	}
}

// Executable reports whether a file is one that can be run: a regular file with an
// execute bit. Links have to be followed before.
func Executable(info fs.FileInfo) bool { return info.Mode().IsRegular() && info.Mode()&0o111 != 0 }
