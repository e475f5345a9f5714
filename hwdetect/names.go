package hwdetect

import (
	"net/netip"
	"strings"
)

// Names is what the board calls itself and how it resolves names without
// asking anybody.
type Names struct {
	// Hostname is the kernel's (uname -n).
	Hostname string `json:"hostname"`
	// Hosts maps the names of /etc/hosts to their addresses.
	Hosts map[string][]string `json:"-"`
	// NSS are the services of the hosts line of nsswitch.conf(5), "files dns"
	// where there is none.
	NSS []string `json:"nss,omitempty"`
	// ResolvConf is the file with the name servers that pods are given, and
	// Servers are those in it.
	ResolvConf string   `json:"resolvConf,omitempty"`
	Servers    []string `json:"servers,omitempty"`
}

// Resolves tells whether a name has an address without a name server: in
// /etc/hosts, or by nss-myhostname(8), which knows the own hostname.
func (n Names) Resolves(name string) bool {
	if len(n.Hosts[strings.ToLower(name)]) > 0 {
		return true
	}
	for _, service := range n.NSS {
		if service == "myhostname" && strings.EqualFold(name, n.Hostname) {
			return true
		}
	}
	return false
}

func readNames(f files) Names {
	n := Names{Hostname: f.line("/proc/sys/kernel/hostname"), Hosts: parseHosts(f.read("/etc/hosts")), NSS: parseNSS(f.read("/etc/nsswitch.conf"))}
	if n.Hostname == "" {
		n.Hostname = f.line("/etc/hostname")
	}
	// kubeadm points the kubelet at systemd-resolved's own list when that
	// service is there (phases/kubelet and componentconfigs/kubelet.go).
	for _, path := range []string{"/run/systemd/resolve/resolv.conf", "/etc/resolv.conf"} {
		text := f.read(path)
		if text == nil {
			continue
		}
		n.ResolvConf, n.Servers = path, parseResolvConf(text)
		break
	}
	return n
}

// parseHosts reads hosts(5): an address and its names on each line. Names know
// no case.
func parseHosts(text []byte) map[string][]string {
	all := map[string][]string{}
	for _, line := range lines(text) {
		w := strings.Fields(line)
		if _, err := netip.ParseAddr(w[0]); err != nil {
			continue
		}
		for _, name := range w[1:] {
			name = strings.ToLower(name)
			all[name] = append(all[name], w[0])
		}
	}
	return all
}

// parseNSS reads the services on the hosts line of nsswitch.conf(5), without the
// actions in brackets.
func parseNSS(text []byte) []string {
	for _, line := range lines(text) {
		if rest, ok := strings.CutPrefix(line, "hosts:"); ok {
			var all []string
			for _, w := range strings.Fields(rest) {
				if !strings.HasPrefix(w, "[") && !strings.HasSuffix(w, "]") {
					all = append(all, w)
				}
			}
			return all
		}
	}
	return []string{"files", "dns"}
}

// parseResolvConf reads the name servers of resolv.conf(5). Only the first
// three count.
func parseResolvConf(text []byte) []string {
	var all []string
	for _, line := range lines(text) {
		w := strings.Fields(line)
		if w[0] != "nameserver" || len(w) < 2 || len(all) == 3 {
			continue
		}
		if address, err := netip.ParseAddr(w[1]); err == nil {
			all = append(all, address.String())
		}
	}
	return all
}
