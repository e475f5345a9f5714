// Command packagefiles makes the files of a package that follow from others: manual
// pages and shell completions from what kubeadm-arm says with --help, the exit
// codes from docs/exit-codes.md, the changelogs, and the licences of what is
// linked into the program.
//
//	packagefiles --program bin/kubeadm-arm --version 0.1.0-1 --time 1700000000 --out dist/package
package main

import (
	"bytes"
	"compress/gzip"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"
)

func main() {
	if err := generate(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}

func generate(args []string) error {
	f := flag.NewFlagSet("generate", flag.ContinueOnError)
	program := f.String("program", "bin/kubeadm-arm", "kubeadm-arm built for this machine")
	version := f.String("version", "", "version of the package, such as 0.1.0-1")
	seconds := f.Int64("time", 0, "date of the files, in seconds since 1970")
	out := f.String("out", "dist/package", "folder to write to")
	root := f.String("root", ".", "folder of the sources")
	if err := f.Parse(args); err != nil {
		return err
	}
	if *version == "" || *seconds == 0 {
		return errors.New("--version and --time are needed")
	}
	date := time.Unix(*seconds, 0).UTC()
	commands, err := readCommands(*program)
	if err != nil {
		return err
	}
	document, err := os.ReadFile(filepath.Join(*root, "docs/exit-codes.md"))
	if err != nil {
		return err
	}
	codes, err := exitCodes(document)
	if err != nil {
		return err
	}
	prose, err := readProse(filepath.Join(*root, "packaging/manual"))
	if err != nil {
		return err
	}
	files := pages(commands, codes, prose, *version, date)
	files["kubeadm-arm.bash"] = bashCompletion(commands)
	files["_kubeadm-arm"] = zshCompletion(commands)
	files["kubeadm-arm.fish"] = fishCompletion(commands)
	if files["third-party-notices"], err = notices(*root); err != nil {
		return err
	}
	if files["changelog"], err = os.ReadFile(filepath.Join(*root, "CHANGELOG.md")); err != nil {
		return err
	}
	files["changelog.Debian"] = debianChangelog(*version, date)
	if err := os.MkdirAll(*out, 0o755); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		text := files[name]
		if compressed(name) {
			name += ".gz"
			if text, err = pack(text); err != nil {
				return err
			}
		}
		if err := os.WriteFile(filepath.Join(*out, name), text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// compressed reports which files Debian's policy wants packed (sections 12.1,
// 12.3 and 12.7).
func compressed(name string) bool {
	return filepath.Ext(name) == ".1" || slices.Contains([]string{"changelog", "changelog.Debian",
		"third-party-notices"}, name)
}

// pack is gzip -9n: without name and time, so that the same text gives the same
// bytes.
func pack(text []byte) ([]byte, error) {
	var out bytes.Buffer
	w, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(text); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// maintainer is who the package names; it must be what nfpm.yaml says.
const maintainer = "kubeadm-arm maintainers <kubeadm-arm@users.noreply.github.com>"

// debianChangelog is the package's own history, in the form of
// deb-changelog(5). What changed in the program stands in CHANGELOG.md.
func debianChangelog(version string, date time.Time) []byte {
	return fmt.Appendf(nil, "kubeadm-arm (%s) unstable; urgency=medium\n\n  * The release of this version; see "+
		"changelog.gz for what is new in it.\n\n -- %s  %s\n",
		version, maintainer, date.Format("Mon, 02 Jan 2006 15:04:05 -0700"))
}
