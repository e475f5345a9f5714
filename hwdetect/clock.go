package hwdetect

import (
	"crypto/x509"
	"encoding/pem"
	"time"
)

// Clock is the board's time and what contradicts it.
type Clock struct {
	Now time.Time `json:"now"`
	// Epoch is the latest time that certainly is past, and EpochFrom says where
	// it was seen. Boards without a battery-backed clock start in 1970, or at
	// the time of their last shutdown.
	Epoch     time.Time `json:"epoch"`
	EpochFrom string    `json:"epochFrom,omitempty"`
	// RTC tells whether there is a hardware clock (/sys/class/rtc).
	RTC bool `json:"rtc"`
	// Certificates are those of a cluster on this board.
	Certificates []Certificate `json:"certificates,omitempty"`
}

// Certificate is when one is valid.
type Certificate struct {
	Path      string    `json:"path"`
	NotBefore time.Time `json:"notBefore"`
	NotAfter  time.Time `json:"notAfter"`
}

// readClock compares now with files whose times are never in the future of a
// right clock: this program's build, kubeadm's file, the clocks that systemd and
// fake-hwclock leave at shutdown.
func readClock(f files, now, built time.Time, programs []Binary) Clock {
	c := Clock{Now: now}
	past := func(at time.Time, from string) {
		if at.After(c.Epoch) {
			c.Epoch, c.EpochFrom = at, from
		}
	}
	past(built, "this program was built then")
	seen := func(path, what string) {
		if info, ok := f.stat(path); ok {
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
	for _, name := range f.names("/sys/class/rtc") {
		c.RTC = c.RTC || name != ""
	}
	for _, path := range []string{"/etc/kubernetes/pki/ca.crt", "/etc/kubernetes/pki/apiserver.crt", "/etc/kubernetes/pki/etcd/ca.crt", "/var/lib/kubelet/pki/kubelet-client-current.pem"} {
		if cert, ok := parseCertificate(f.read(path)); ok {
			cert.Path = path
			c.Certificates = append(c.Certificates, cert)
		}
	}
	return c
}

// parseCertificate reads the first certificate of a PEM text.
func parseCertificate(text []byte) (Certificate, bool) {
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			return Certificate{}, false
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return Certificate{}, false
		}
		return Certificate{NotBefore: cert.NotBefore, NotAfter: cert.NotAfter}, true
	}
}
