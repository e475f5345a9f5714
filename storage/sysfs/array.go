package sysfs

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/kubeadm-arm/kubeadm-arm/internal/durable"
)

// An Array is an md array (Documentation/admin-guide/md.rst).
type Array struct {
	Name  string `json:"name"`
	Level string `json:"level"`
	// Disks is how many it should have, Missing how many of them it has not.
	Disks   int `json:"disks"`
	Missing int `json:"missing"`
	// State is the kernel's array_state, Action its sync_action: idle, recover, …
	State  string `json:"state"`
	Action string `json:"action,omitempty"`
}

func (a Array) String() string {
	text := fmt.Sprintf("%s, %s, %d of %d disks, %s", a.Name, a.Level, a.Disks-a.Missing, a.Disks, a.State)
	if a.Action != "" && a.Action != "idle" {
		text += ", " + a.Action
	}
	return text
}

// Arrays finds the md arrays that a block device lies on, itself or below
// it; sys is the /sys folder, name the kernel's name of the device.
func Arrays(sys, name string) []Array {
	dir, err := filepath.EvalSymlinks(filepath.Join(sys, "class/block", name))
	if err != nil {
		return nil
	}
	if durable.Exists(filepath.Join(dir, "partition")) {
		dir = filepath.Dir(dir)
	}
	read := func(file string) string {
		text, err := os.ReadFile(filepath.Join(dir, "md", file))
		if err != nil {
			return ""
		}
		return strings.TrimSpace(string(text))
	}
	var all []Array
	if durable.Exists(filepath.Join(dir, "md")) {
		// "5" or, while it is reshaped, "6 (5)".
		disks, _, _ := strings.Cut(read("raid_disks"), " ")
		a := Array{Name: filepath.Base(dir), Level: read("level"), State: read("array_state"), Action: read("sync_action")}
		a.Disks, _ = strconv.Atoi(disks)
		a.Missing, _ = strconv.Atoi(read("degraded"))
		all = append(all, a)
	}
	slaves, _ := os.ReadDir(filepath.Join(dir, "slaves"))
	for _, s := range slaves {
		all = append(all, Arrays(sys, s.Name())...)
	}
	return all
}
