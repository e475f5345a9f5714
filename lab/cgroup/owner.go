package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Cgroups are one set for the whole machine, while each cache folder has boards
// of its own: two of them may not share a name.

// owner is the folder of the board whose processes are in these groups, empty
// when there are none. A board's process 1 names it in its arguments.
func (c cgroups) owner() string {
	for _, pid := range c.pids() {
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

// exist tells whether there are groups of that name.
func (c cgroups) exist() bool { return slices.ContainsFunc(c.dirs(), isDir) }

// free tells whether a new board with the folder dir may use these groups.
func (c cgroups) free(dir string) error {
	if !c.exist() || c.orphaned(dir) {
		return nil
	}
	return fmt.Errorf("board %s: the name is taken by a board in %s\nhint: choose another --name", filepath.Base(dir), filepath.Dir(c.owner()))
}

// orphaned tells whether these groups are what is left of a board with the
// folder dir, or of one whose files are gone.
func (c cgroups) orphaned(dir string) bool {
	owner := c.owner()
	return c.exist() && (owner == "" || owner == dir || !isDir(owner))
}

// cgroupNames are the boards, of any cache, that have cgroups.
func cgroupNames() ([]string, error) {
	c, err := findCgroups("*")
	if err != nil {
		return nil, err
	}
	var names []string
	for _, pattern := range c.dirs() {
		found, err := filepath.Glob(pattern)
		if err != nil {
			return nil, err
		}
		for _, dir := range found {
			name := strings.TrimPrefix(filepath.Base(dir), strings.TrimSuffix(c.name, "*"))
			if !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return names, nil
}
