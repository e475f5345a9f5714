package certs

import (
	"fmt"
	"io/fs"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kubeadm-arm/kubeadm-arm/internal/safefile"
)

// Clock is what is known of a node's clock.
type Clock struct {
	Now time.Time `json:"now"`
	// Synchronized says that the kernel counts the clock as synchronized.
	Synchronized bool `json:"synchronized"`
	// Newest is the latest time at which the node is known to have written something,
	// and File what that was.
	Newest time.Time `json:"newest"`
	File   string    `json:"file,omitempty"`
}

// Right reports whether the clock can be trusted: it is synchronized, or it is not
// before what the node has written.
func (c Clock) Right() bool { return c.Synchronized || !c.Now.Before(c.Newest) }

// Why says why the clock is not trusted.
func (c Clock) Why() string {
	return fmt.Sprintf("the clock says %s, and %s was written on %s", date(c.Now), c.File, date(c.Newest))
}

// written are files and folders that a node writes to while it runs: what systemd
// and fake-hwclock save as the time, what kubelet, etcd and journald write to all the
// time, logins, and what this program and kubeadm write. The beginning of a certificate's
// validity counts, too.
func written() []string {
	return []string{
		"/var/lib/systemd/timesync/clock", "/var/lib/systemd/random-seed", "/etc/fake-hwclock.data",
		"/var/lib/chrony/drift", "/var/lib/chrony/chrony.drift",
		"/var/lib/etcd/member/wal", "/var/lib/etcd/member/snap/db",
		"/var/lib/kubelet", "/var/lib/kubelet/pods", "/var/lib/kubelet/pki",
		"/var/log/pods", "/var/log/containers", "/var/log/journal", "/var/log/wtmp", "/var/log/lastlog", "/var/log/syslog",
		"/etc/kubernetes", "/etc/kubernetes/manifests", "/etc/kubernetes/kubeadm-arm", "/var/lib/dpkg/status",
	}
}

// ReadClock compares now with the times of files, and with the beginning of the
// certificates that were seen.
func ReadClock(root safefile.Root, s Seen, now time.Time, synchronized bool) Clock {
	c := Clock{Now: now, Synchronized: synchronized}
	past := func(at time.Time, file string) {
		if at.After(c.Newest) {
			c.Newest, c.File = at, file
		}
	}
	stat := func(path string) {
		if info, err := root.Stat(path); err == nil {
			past(info.ModTime(), path)
		}
	}
	for _, path := range written() {
		stat(path)
	}
	// Files in use change without their folder.
	for _, dir := range []string{"/var/lib/etcd/member/wal", "/var/lib/etcd/member/snap"} {
		entries, err := root.List(dir, maxListed)
		if err != nil {
			continue
		}
		for _, e := range entries {
			if e.Type()&fs.ModeSymlink == 0 {
				stat(dir + "/" + e.Name())
			}
		}
	}
	for _, a := range s.Authorities {
		if a.Certificate != nil {
			past(a.Certificate.NotBefore, a.File)
		}
	}
	for _, l := range s.Leaves {
		if l.Certificate != nil {
			past(l.Certificate.NotBefore, l.File)
		}
	}
	return c
}

// maxListed bounds a folder: etcd keeps some dozen files.
const maxListed = 1000

// Synchronized reports whether the kernel counts its clock as synchronized (adjtimex(2)).
func Synchronized() bool {
	var t unix.Timex
	state, err := unix.Adjtimex(&t)
	return err == nil && state != unix.TIME_ERROR && t.Status&unix.STA_UNSYNC == 0
}
