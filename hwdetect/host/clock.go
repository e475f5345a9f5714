package host

import (
	"time"

	"github.com/kubeadm-arm/kubeadm-arm/hwdetect"
)

// Clock is the board's time and what contradicts it.
type Clock struct {
	Now time.Time `json:"now"`
	// Epoch is the latest time that certainly is past, and EpochFrom says where
	// it was seen. Boards without a battery-backed clock start in 1970, or at
	// the time of their last shutdown.
	Epoch     time.Time `json:"epoch"`
	EpochFrom string    `json:"epochFrom,omitempty"`
	// RTC reports whether there is a hardware clock (/sys/class/rtc).
	RTC bool `json:"rtc"`
	// Certificates are those of a cluster on this board.
	Certificates []Certificate `json:"certificates,omitempty"`
	// NoCertificates are files that are there for a certificate, or a kubeconfig, and
	// hold none, such as those that a power cut has left empty.
	NoCertificates []string `json:"noCertificates,omitempty"`
}

// Certificate is when one is valid.
type Certificate struct {
	// Path is the file that it is in, a kubeconfig among them.
	Path      string    `json:"path"`
	NotBefore time.Time `json:"notBefore"`
	NotAfter  time.Time `json:"notAfter"`
	// CA reports whether it signs others. Kubelet reports whether it is the
	// kubelet's own for the API server, which kubeadm never renews.
	CA      bool `json:"ca,omitempty"`
	Kubelet bool `json:"kubelet,omitempty"`
}

// readClock compares now with files whose times are never in the future of a
// right clock: this program's build, kubeadm's file, the clocks that systemd and
// fake-hwclock leave at shutdown.
func readClock(f files, now, built time.Time, programs []hwdetect.Binary, pki string) Clock {
	c := Clock{Now: now}
	past := func(at time.Time, from string) {
		if at.After(c.Epoch) {
			c.Epoch, c.EpochFrom = at, from
		}
	}
	past(built, "this program was built then")
	seen := func(path, what string) {
		if info, ok := f.Stat(path); ok {
			past(info.ModTime(), what)
		}
	}
	seen("/var/lib/systemd/timesync/clock", "/var/lib/systemd/timesync/clock was written then")
	seen("/var/lib/systemd/random-seed", "/var/lib/systemd/random-seed was written then")
	seen("/etc/fake-hwclock.data", "/etc/fake-hwclock.data was written then")
	seen("/var/lib/dpkg/status", "a package was installed then")
	for _, p := range programs {
		seen(p.Path, p.Path+" was installed then")
	}
	for _, name := range f.Names("/sys/class/rtc") {
		c.RTC = c.RTC || name != ""
	}
	c.Certificates, c.NoCertificates = readCertificates(f, pki)
	return c
}
