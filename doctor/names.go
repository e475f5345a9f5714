package doctor

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// nodeName is what kubeadm will call the node: what was asked for, or the
// hostname in lower case without blanks (util/config, GetNodeName).
func (f Facts) nodeName() string {
	name := f.Ask.NodeName
	if name == "" {
		name = f.Host.Names.Hostname
	}
	return strings.ToLower(strings.TrimSpace(name))
}

// subdomain is RFC 1123's as Kubernetes takes it (apimachinery, validation.go).
var subdomain = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`)

// imageNames are hostnames that images come with.
func imageNames() []string {
	return []string{
		"raspberrypi", "bananapi", "banana-pi", "bpi", "lemaker", "cubieboard", "cubieboard2", "cubietruck", "orangepi",
		"orangepipc", "odroid", "rock64", "rockpi",
		"roc-rk3328-cc", "nanopi", "armbian", "dietpi", "debian", "ubuntu", "alarm", "libre-computer", "beaglebone",
	}
}

func hostname(f Facts) []Finding {
	name := f.nodeName()
	rename := []string{
		"sudo hostnamectl set-hostname board-1    # letters, digits and hyphens; then log in again",
		"kubeadm-arm init --node-name board-1    # or only for Kubernetes",
	}
	switch {
	case name == "" && f.Host.Names.Hostname == "" && f.Ask.NodeName == "":
		return nil
	case name == "(none)" || !subdomain.MatchString(name) || len(name) > 253:
		return one(Finding{
			ID: "hostname", Severity: Fail, Rule: KubeadmRule, Seen: fmt.Sprintf("%q is no name for a node", name),
			Means: "kubeadm refuses it: Kubernetes takes lower-case letters, digits, hyphens and dots (RFC 1123), and a " +
				"letter or digit at both ends",
			Fix: rename,
		})
	case name == "localhost" || strings.HasPrefix(name, "localhost."):
		return one(Finding{
			ID: "hostname", Severity: Warning, Seen: "the board is called " + name,
			Means: "the node's name points to itself on every other machine; a second board called so cannot join",
			Fix:   rename,
		})
	case slices.Contains(imageNames(), name):
		return one(Finding{
			ID: "hostname", Severity: Info, Seen: fmt.Sprintf("the board has its image's name, %q", name),
			Means: "two boards with the same name cannot be in one cluster; rename it before init, since a node cannot be " +
				"renamed later",
			Fix: rename,
		})
	case f.Ask.NodeName == "" && name != f.Host.Names.Hostname:
		return one(Finding{
			ID: "hostname", Severity: Info, Seen: fmt.Sprintf("hostname %q", f.Host.Names.Hostname),
			Means: fmt.Sprintf("the node will be called %q", name),
		})
	}
	return fine("hostname", name)
}

func hostnameResolves(f Facts) []Finding {
	name := f.nodeName()
	if !subdomain.MatchString(name) || f.Host.Names.ResolvConf == "" && len(f.Host.Names.Hosts) == 0 {
		return nil
	}
	if len(f.Host.Names.Hosts[name]) > 0 {
		return fine("hostname-resolves", name+" is in /etc/hosts")
	}
	found := Finding{
		ID: "hostname-resolves", Severity: Warning, Seen: name + " is not in /etc/hosts",
		Means: "the kubelet looks it up for every static pod; without a name server that knows it each stalls for 10 s, " +
			"and a whole bootstrap was seen to fail from that alone",
	}
	found.Edits = []Edit{{"/etc/hosts", addLine{"127.0.1.1 " + name}}}
	if slices.Contains(f.Host.Names.NSS, "myhostname") {
		found.Severity = Info
		found.Seen += "; only nss-myhostname knows it"
		found.Means = "programs that are linked statically, such as many builds of the kubelet, do not ask it: they stall " +
			"for 10 s with every static pod"
	}
	return one(found)
}

// copies reports what a copied card would share with its original.
func copies(f Facts) []Finding {
	if len(f.Host.Identities) == 0 {
		return nil
	}
	var all []Finding
	var prints []string
	for _, i := range f.Host.Identities {
		switch i.State {
		case "empty", "missing":
			if f.Host.Stopped {
				continue // it is made at the next start
			}
			all = append(all, Finding{
				ID: i.Name, Severity: Warning, Seen: i.Path + " is " + i.State,
				Means: "the kubelet takes it for the node's identity; pod networks and log collectors tell nodes apart by it",
				Fix:   []string{"sudo systemd-machine-id-setup"},
			})
		case "default":
			all = append(all, Finding{
				ID: i.Name, Severity: Warning, Seen: i.Path + " holds a value that many boards have (" + i.Fingerprint + ")",
				Means: "nodes with the same " + i.Name + " disturb each other",
				Fix:   newIdentity(i.Name),
			})
		default:
			prints = append(prints, i.Name+" "+i.Fingerprint)
		}
	}
	if len(prints) > 0 {
		all = append(all, Finding{
			ID: "copied-card", Severity: Info, Brief: true, Seen: "fingerprints: " + strings.Join(prints, ", "),
			Means: "compare them with those of your other boards: an equal one means a copied card, and such nodes disturb " +
				"each other. On the copy:",
			Fix: append(newIdentity("machine-id"), newIdentity("ssh-host-key")...),
		})
	}
	return all
}

func newIdentity(name string) []string {
	switch name {
	case "machine-id":
		return []string{"sudo rm -f /etc/machine-id /var/lib/dbus/machine-id && sudo systemd-machine-id-setup"}
	case "ssh-host-key":
		return []string{"sudo rm -f /etc/ssh/ssh_host_* && sudo ssh-keygen -A"}
	}
	return []string{"# it is the firmware's; another one cannot be given to it from here"}
}
