package cgroup

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/kubeadm-arm/kubeadm-arm/lab/cache"
)

// Cgroups are one set for the whole machine, while each cache folder has boards
// of its own: two of them may not share a name.

// owner is the folder of the board whose processes are in these groups, empty
// when there are none. A board's process 1 names it in its arguments.
func (c Groups) owner() string {
	for _, pid := range c.PIDs() {
		line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		if err != nil {
			continue
		}
		args := strings.Split(strings.TrimRight(string(line), "\x00"), "\x00")
		if len(args) == 3 && args[1] == "inside" && filepath.IsAbs(args[2]) {
			return args[2]
		}
	}
	return ""
}

// exist reports whether there are groups of that name.
func (c Groups) exist() bool { return slices.ContainsFunc(c.Dirs(), cache.IsDir) }

// Free reports whether a new board with the folder dir may use these groups.
func (c Groups) Free(dir string) error {
	if !c.exist() || c.Orphaned(dir) {
		return nil
	}
	return fmt.Errorf("board %s: the name is taken by a board in %s\nhint: choose another --name", filepath.Base(dir),
		filepath.Dir(c.owner()))
}

// Orphaned reports whether these groups are what is left of a board with the
// folder dir, or of one whose files are gone.
func (c Groups) Orphaned(dir string) bool {
	owner := c.owner()
	return c.exist() && (owner == "" || owner == dir || !cache.IsDir(owner))
}

// Names are the boards, of any cache, that have cgroups.
func Names() ([]string, error) {
	c, err := Find("*")
	if err != nil {
		return nil, err
	}
	var names []string
	for _, pattern := range c.Dirs() {
		found, err := filepath.Glob(pattern)
		if err != nil {
			return nil, err
		}
		for _, dir := range found {
			name := strings.TrimPrefix(filepath.Base(dir), strings.TrimSuffix(c.Name, "*"))
			if !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return names, nil
}
