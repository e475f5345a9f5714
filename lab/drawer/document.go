package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"
)

// part is one of the runs, each of which has a section of the document.
type part struct{ name, title, command, about string }

// parts are in the document's order.
var parts = []part{
	{"versions", "Expired certificates of real kubeadms", "make drawer ONLY=versions",
		`The real kubeadm makes certificates; each leaf is replaced by one that has expired; kubeadm-arm certs renew has that
same kubeadm renew them. Afterwards each is valid for a year, has the kind of key that it had, and no file with a key
can be read by others.`},
	{"throttled", "A throttled board", "make drawer ONLY=throttled",
		`A real kubelet and control plane at 100 % of a core, without systemd; the certificates are replaced by expired ones.`},
	{"worker", "A worker", "make drawer ONLY=worker",
		`Two boards at 100 % of a core. The worker's power is cut, and its kubelet's certificate replaced by an expired one;
then it is given its one command, with lab in the place of ssh.`},
	{"stock", "kubeadm's board, off for 400 days", "make drawer ONLY=stock",
		`An emulated board with systemd and a battery clock. Certificates are valid for 365 days.`},
	{"kubeadm-arm", "kubeadm-arm's board, off for 400 days, and then in 1970", "make drawer ONLY=kubeadm-arm",
		`The same with kubeadm-arm. Nobody touches it, except that it is given the time three minutes after it was seen to
hold the kubelet in the wrong year.`},
	{"systemd", "A real systemd", "make drawer-systemd",
		`Debian's systemd starts, with the packages' units, expired certificates and a stand-in for the kubelet; once with the
right clock, and once with a file from the future, which makes it a wrong one.`},
}

// record puts what was seen of a part into its section of the document, and leaves the
// others as they are.
func record(file, name, seen string) error {
	old, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	at := slices.IndexFunc(parts, func(p part) bool { return p.name == name })
	if at < 0 {
		return fmt.Errorf("%q is no part", name)
	}
	return os.WriteFile(file, []byte(withSection(string(old), parts[at], time.Now(), seen)), 0o644)
}

// withSection is the document with something else seen in one section.
func withSection(old string, p part, at time.Time, seen string) string {
	text := "# A board that lay in a drawer for longer than its certificates are valid\n\n" +
		"`make drawer` and `make drawer-systemd` write this. Times in front of lines are seconds of this machine;\n" +
		"those on a board are its own.\n"
	for _, q := range parts {
		heading := "\n## " + q.title + "\n\n"
		_, section, there := strings.Cut(old, heading)
		section, _, _ = strings.Cut(section, "\n## ")
		if q == p {
			section, there = fmt.Sprintf("%s\n\n%s:\n\n    %s\n\n```\n%s\n```\n",
				p.about, at.UTC().Format(time.DateOnly), p.command, strings.TrimRight(seen, "\n")), true
		}
		if there {
			text += heading + section
		}
	}
	return text
}
