package storage

import (
	"strings"

	"github.com/kubeadm-arm/kubeadm-arm/storage/fstab"
)

// block are our lines in fstab.
func (j *journal) block() []string {
	var all []string
	if j.UUID == "" {
		return nil
	}
	if !j.OwnersLine {
		pass := 0
		if strings.HasPrefix(j.FSType, "ext") {
			pass = 2
		}
		all = append(all, fstab.Entry("UUID="+j.UUID, j.Mount, j.FSType,
			"defaults,noatime,nofail,x-systemd.device-timeout="+deviceTimeout, pass))
	}
	for _, f := range j.Folders {
		options := "bind,nofail"
		if j.namesMount() {
			options += ",x-systemd.requires-mounts-for=" + j.Mount
		}
		all = append(all, fstab.Entry(j.target(f), f.Path, "none", options, 0))
	}
	return all
}

// namesMount reports whether the mount point can stand in an option: a comma would
// end it, and systemd would take a blank for the end of the path.
func (j *journal) namesMount() bool { return !strings.ContainsAny(j.Mount, ", \t\\\"'%") }

func (j *journal) reasons() []Explanation {
	all := []Explanation{
		{"UUID=", "names the file system whatever the kernel calls its device next time"},
		{"noatime", "reading does not write"},
		{"nofail", "the board boots without the disk, so that it can be looked at; it also takes the mount out of what " +
			"the boot waits for, which is why the kubelet has a drop-in that does wait"},
		{"x-systemd.device-timeout=" + deviceTimeout,
			"five disks on USB take their time to spin up and be assembled; systemd gives up after 90 s by itself, and each " +
				"attempt of the kubelet waits again"},
		{"bind", "the folder keeps its name, so that neither kubeadm nor docker need to know"},
	}
	if j.OwnersLine {
		all = all[4:]
	}
	if j.namesMount() {
		all = append(all, Explanation{"x-systemd.requires-mounts-for=" + j.Mount,
			"the bind mount waits for the disk, and is not made on an empty folder if the disk is missing"})
	}
	if !j.OwnersLine && strings.HasPrefix(j.FSType, "ext") {
		all = append(all, Explanation{"0 2", "not dumped; checked by fsck after the root file system"})
	}
	return all
}
