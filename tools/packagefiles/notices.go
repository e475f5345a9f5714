package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// linked is the part of go list -json that says where a package is from.
type linked struct {
	Standard bool
	Module   *struct {
		Path, Version, Dir string
		Main               bool
		Replace            *struct{ Path, Version, Dir string }
	}
}

// notices are the licences and notices of Go and of all modules that are linked
// into the programs, as most of them ask for.
func notices(root string) ([]byte, error) {
	goroot, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return nil, fmt.Errorf("ask go for its folder: %w", err)
	}
	folders := map[string]string{"Go": strings.TrimSpace(string(goroot))}
	for _, program := range []struct{ module, pkg string }{{".", "./cmd/kubeadm-arm"}, {"lab", "."}} {
		if err := addModules(folders, filepath.Join(root, program.module), program.pkg); err != nil {
			return nil, err
		}
	}
	var text bytes.Buffer
	text.WriteString("What is linked into kubeadm-arm and kubeadm-arm-images, and under which licences.\n")
	names := make([]string, 0, len(folders))
	for name := range folders {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		n, err := addLicences(&text, name, folders[name])
		if err != nil {
			return nil, err
		}
		if n == 0 {
			return nil, fmt.Errorf("%s: no licence in its folder", name)
		}
	}
	return text.Bytes(), nil
}

// addModules adds the folders of all modules that one of kubeadm-arm's packages needs.
func addModules(folders map[string]string, dir, pkg string) error {
	cmd := exec.Command("go", "list", "-deps", "-json=Standard,Module", pkg)
	cmd.Dir = dir
	var out, problems bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problems
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("list the modules of %s: %w: %s", dir, err, problems.String())
	}
	for dec := json.NewDecoder(&out); ; {
		var p linked
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("list the modules of %s: %w", dir, err)
		}
		if p.Standard || p.Module == nil || p.Module.Main {
			continue
		}
		name, from := p.Module.Path+" "+p.Module.Version, p.Module.Dir
		if r := p.Module.Replace; r != nil {
			name, from = r.Path+" "+r.Version, r.Dir
		}
		if from == "" { // a release's sources
			from = filepath.Join(dir, "vendor", p.Module.Path)
		}
		folders[name] = from
	}
}

// addLicences appends the licence files of one folder and tells how many.
func addLicences(text *bytes.Buffer, name, dir string) (int, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", name, err)
	}
	n := 0
	for _, e := range entries {
		base, _, _ := strings.Cut(strings.ToUpper(e.Name()), ".")
		if !e.Type().IsRegular() || !slices.Contains([]string{"LICENSE", "LICENCE", "COPYING", "NOTICE", "PATENTS"},
			base) {
			continue
		}
		licence, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return 0, fmt.Errorf("%s: %w", name, err)
		}
		fmt.Fprintf(text, "\n===== %s: %s\n\n%s\n", name, e.Name(), bytes.TrimSpace(licence))
		n++
	}
	return n, nil
}
