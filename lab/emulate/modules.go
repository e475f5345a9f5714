package emulate

import (
	"debug/elf"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// modules finds kernel modules and those that they need in an unpacked kernel
// package, in the order in which they have to be loaded. What is built into the
// kernel is left out.
func modules(packages string, names []string) ([]string, error) {
	tree, err := one(filepath.Join(packages, "lib/modules/*"))
	if err != nil {
		return nil, err
	}
	builtin, err := os.ReadFile(filepath.Join(tree, "modules.builtin"))
	if err != nil {
		return nil, err
	}
	// The kernel takes - and _ in names as the same.
	plain := func(path string) string {
		return strings.ReplaceAll(strings.TrimSuffix(filepath.Base(path), ".ko"), "-", "_")
	}
	inside := map[string]bool{}
	for _, line := range strings.Fields(string(builtin)) {
		inside[plain(line)] = true
	}
	files := map[string]string{}
	if err := filepath.WalkDir(tree, func(path string, _ fs.DirEntry, err error) error {
		if strings.HasSuffix(path, ".ko") {
			files[plain(path)] = path
		}
		return err
	}); err != nil {
		return nil, err
	}
	var order []string
	seen := map[string]bool{}
	var add func(name string) error
	add = func(name string) error {
		name = plain(name)
		if seen[name] || inside[name] {
			return nil
		}
		seen[name] = true
		if files[name] == "" {
			return fmt.Errorf("find kernel module %s: not in %s", name, tree)
		}
		needs, err := needed(files[name])
		if err != nil {
			return err
		}
		for _, n := range needs {
			if err := add(n); err != nil {
				return err
			}
		}
		order = append(order, files[name])
		return nil
	}
	for _, n := range names {
		if err := add(n); err != nil {
			return nil, err
		}
	}
	return order, nil
}

// needed are the modules that a module says it depends on, in the section that
// modinfo(8) shows.
func needed(path string) (names []string, err error) {
	f, err := elf.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read kernel module %s: %w", path, err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	section := f.Section(".modinfo")
	if section == nil {
		return nil, fmt.Errorf("read kernel module %s: it has no .modinfo", path)
	}
	text, err := section.Data()
	if err != nil {
		return nil, fmt.Errorf("read kernel module %s: %w", path, err)
	}
	for _, line := range strings.Split(string(text), "\x00") {
		if list, ok := strings.CutPrefix(line, "depends="); ok && list != "" {
			names = append(names, strings.Split(list, ",")...)
		}
	}
	return names, nil
}
