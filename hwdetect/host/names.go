package host

import (
	"net/netip"
	"strings"

	"github.com/kubeadm-arm/kubeadm-arm/hwdetect/internal/rootfs"
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
	// Servers are those in it that count, the first three; Ignored is how many
	// more there are.
	ResolvConf string   `json:"resolvConf,omitempty"`
	Servers    []string `json:"servers,omitempty"`
	Ignored    int      `json:"ignored,omitempty"`
}

// Resolves reports whether a name has an address without a name server: in
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

// readNames reads them; resolvConf is the file that the kubelet is configured to
// take, empty where nothing is set.
func readNames(f files, resolvConf string) Names {
	n := Names{Hostname: f.Line("/proc/sys/kernel/hostname"), Hosts: parseHosts(f.Read("/etc/hosts")),
		NSS: parseNSS(f.Read("/etc/nsswitch.conf"))}
	if n.Hostname == "" {
		n.Hostname = f.Line("/etc/hostname")
	}
	// kubeadm points the kubelet at systemd-resolved's own list when that
	// service is there (phases/kubelet and componentconfigs/kubelet.go).
	paths := []string{"/run/systemd/resolve/resolv.conf", "/etc/resolv.conf"}
	if resolvConf != "" {
		paths = []string{resolvConf}
	}
	for _, path := range paths {
		text := f.Read(path)
		if text == nil {
			continue
		}
		n.ResolvConf = path
		n.Servers, n.Ignored = parseResolvConf(text)
		break
	}
	return n
}

// parseHosts reads hosts(5): an address and its names on each line. Names know
// no case.
func parseHosts(text []byte) map[string][]string {
	all := map[string][]string{}
	for _, line := range rootfs.Lines(text) {
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
	for _, line := range rootfs.Lines(text) {
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

// parseResolvConf reads the name servers of resolv.conf(5). Only the first three
// count; ignored is how many more there are.
func parseResolvConf(text []byte) (servers []string, ignored int) {
	for _, line := range rootfs.Lines(text) {
		w := strings.Fields(line)
		if w[0] != "nameserver" || len(w) < 2 {
			continue
		}
		address, err := netip.ParseAddr(w[1])
		switch {
		case err != nil:
		case len(servers) == 3:
			ignored++
		default:
			servers = append(servers, address.String())
		}
	}
	return servers, ignored
}
