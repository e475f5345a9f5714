package kube

import (
	"debug/elf"
	"fmt"
	"path/filepath"
	"strings"
)

// addNetfilter adds iptables, nft and conntrack with their libraries from the
// Debian below sysroot to the image of kube-proxy, which calls them. files maps
// paths in the image to files here, links paths in the image to link targets.
func addNetfilter(sysroot string, files, links map[string]string) error {
	extensions, err := filepath.Glob(filepath.Join(sysroot, "usr/lib/*/xtables/*.so"))
	if err != nil || len(extensions) == 0 {
		return fmt.Errorf("find iptables' extensions: none in %s (%v)", filepath.Join(sysroot, "usr/lib/*/xtables"),
			err)
	}
	programs := extensions
	for _, p := range []string{"xtables-nft-multi", "nft", "conntrack"} {
		programs = append(programs, filepath.Join(sysroot, "usr/sbin", p))
	}
	for _, p := range programs {
		rel, err := filepath.Rel(sysroot, p)
		if err != nil {
			return err
		}
		if err := addProgram(sysroot, rel, files); err != nil {
			return err
		}
	}
	for _, call := range []string{"iptables", "iptables-save", "iptables-restore", "ip6tables", "ip6tables-save",
		"ip6tables-restore"} {
		links["usr/sbin/"+call] = "xtables-nft-multi"
	}
	return nil
}

// addProgram adds a program or library, its dynamic loader and all libraries
// that it needs. It reads the ELF file instead of calling ldd(1), which cannot
// tell for another CPU.
func addProgram(sysroot, path string, files map[string]string) error {
	if files[path] != "" {
		return nil
	}
	real, err := filepath.EvalSymlinks(filepath.Join(sysroot, path))
	if err != nil {
		return err
	}
	files[path] = real
	f, err := elf.Open(real)
	if err != nil {
		return fmt.Errorf("read %s: %w", real, err)
	}
	defer f.Close()
	for _, segment := range f.Progs {
		if segment.Type != elf.PT_INTERP {
			continue
		}
		name := make([]byte, segment.Filesz)
		if _, err := segment.ReadAt(name, 0); err != nil {
			return fmt.Errorf("read the loader of %s: %w", real, err)
		}
		loader := strings.Trim(string(name), "/\x00")
		if err := addProgram(sysroot, loader, files); err != nil {
			return err
		}
	}
	needed, err := f.ImportedLibraries()
	if err != nil {
		return fmt.Errorf("read the libraries of %s: %w", real, err)
	}
	for _, library := range needed {
		at, err := findLibrary(sysroot, library, f.Machine)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		if err := addProgram(sysroot, at, files); err != nil {
			return err
		}
	}
	return nil
}

// findLibrary returns the path of a CPU's library below sysroot, in the folders
// of Debian's dynamic loader (ld.so(8)); with multiarch there can be several.
func findLibrary(sysroot, name string, cpu elf.Machine) (string, error) {
	for _, pattern := range []string{"usr/lib/*-linux-gnu*", "lib/*-linux-gnu*", "usr/lib", "lib", "lib64"} {
		found, err := filepath.Glob(filepath.Join(sysroot, pattern, name))
		if err != nil {
			return "", err
		}
		for _, path := range found {
			f, err := elf.Open(path)
			if err != nil {
				continue
			}
			same := f.Machine == cpu
			f.Close()
			if same {
				return filepath.Rel(sysroot, path)
			}
		}
	}
	return "", fmt.Errorf("find library %s below %s: none for %s", name, sysroot, cpu)
}
