package host

import (
	"encoding/hex"
	"net/netip"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Network is what doctor needs to know about it.
type Network struct {
	// DefaultRoute reports whether there is one; Known is false when the kernel's
	// table could not be read.
	DefaultRoute bool `json:"defaultRoute"`
	Known        bool `json:"known"`
	// Listeners are TCP sockets that wait for connections.
	Listeners []Listener `json:"-"`
	// Sysctl holds the values asked for, by their dotted names; what the
	// kernel does not have is absent.
	Sysctl map[string]string `json:"sysctl,omitempty"`
	// SysctlFiles are the files that set them when the board starts.
	SysctlFiles map[string]SysctlFile `json:"-"`
	// IPv4Route and IPv6Route report which of the two have a default route.
	IPv4Route bool `json:"ipv4Route,omitempty"`
	IPv6Route bool `json:"ipv6Route,omitempty"`
	// Gateway is the router's IPv4 address, as the default route has it.
	Gateway netip.Addr `json:"-"`
	// Addresses are the board's own; none when the kernel's tables could not be read.
	Addresses []netip.Addr `json:"-"`
}

// Sysctls are the kernel's settings that Kubernetes depends on.
func Sysctls() []string {
	return []string{
		"net.ipv4.ip_forward", "net.ipv6.conf.default.forwarding", "net.ipv6.conf.all.forwarding",
		"net.bridge.bridge-nf-call-iptables", "net.bridge.bridge-nf-call-ip6tables",
	}
}

// Listener is a TCP socket that waits for connections.
type Listener struct {
	Port    int
	Address netip.Addr
	Inode   string
}

func readNetwork(f files) Network {
	n := Network{Sysctl: map[string]string{}}
	four, six := f.Read("/proc/net/route"), f.Read("/proc/net/ipv6_route")
	n.Known = four != nil // without any route the kernel leaves even the heading out
	n.IPv4Route, n.IPv6Route = hasDefaultRoute(four), hasDefaultRoute6(six)
	n.DefaultRoute = n.IPv4Route || n.IPv6Route
	n.Gateway = gateway(four)
	n.Addresses = append(parseFibTrie(f.Read("/proc/net/fib_trie")), parseIfInet6(f.Read("/proc/net/if_inet6"))...)
	n.Listeners = append(parseNetTCP(f.Read("/proc/net/tcp")), parseNetTCP(f.Read("/proc/net/tcp6"))...)
	n.SysctlFiles = readSysctlFiles(f, Sysctls())
	for _, name := range Sysctls() {
		if v := f.Line("/proc/sys/" + strings.ReplaceAll(name, ".", "/")); v != "" {
			n.Sysctl[name] = v
		}
	}
	return n
}

// hasDefaultRoute reads /proc/net/route (proc(5)): interface, destination,
// gateway, flags …, mask in the eighth column; addresses are hexadecimal.
func hasDefaultRoute(text []byte) bool {
	const up, reject = 1, 0x200
	for n, line := range strings.Split(string(text), "\n") {
		w := strings.Fields(line)
		if n == 0 || len(w) < 8 || w[1] != "00000000" || w[7] != "00000000" {
			continue
		}
		if flags, err := strconv.ParseUint(w[3], 16, 32); err == nil && flags&up != 0 && flags&reject == 0 {
			return true
		}
	}
	return false
}

// gateway is the next hop of the first default route in /proc/net/route.
func gateway(text []byte) netip.Addr {
	for _, line := range strings.Split(string(text), "\n") {
		w := strings.Fields(line)
		if len(w) < 8 || w[1] != "00000000" || w[2] == "00000000" {
			continue
		}
		raw, err := hex.DecodeString(w[2])
		if err != nil {
			continue
		}
		slices.Reverse(raw) // all boards of this project are little endian
		if a, ok := netip.AddrFromSlice(raw); ok {
			return a
		}
	}
	return netip.Addr{}
}

// hasDefaultRoute6 reads /proc/net/ipv6_route: destination, prefix length,
// source, its length, next hop, metric, references, use, flags, interface.
func hasDefaultRoute6(text []byte) bool {
	const up, reject = 1, 0x200
	for _, line := range strings.Split(string(text), "\n") {
		w := strings.Fields(line)
		if len(w) < 10 || w[1] != "00" || strings.Trim(w[0], "0") != "" || w[9] == "lo" {
			continue
		}
		if flags, err := strconv.ParseUint(w[8], 16, 32); err == nil && flags&up != 0 && flags&reject == 0 {
			return true
		}
	}
	return false
}

// parseFibTrie finds the board's IPv4 addresses in /proc/net/fib_trie
// (Documentation/networking/fib_trie.rst): a line with an address, then one of the
// form "/32 host LOCAL".
func parseFibTrie(text []byte) []netip.Addr {
	var all []netip.Addr
	var last netip.Addr
	for line := range strings.Lines(string(text)) {
		w := strings.Fields(line)
		switch {
		case len(w) == 2 && w[0] == "|--":
			last, _ = netip.ParseAddr(w[1])
		case slices.Equal(w, []string{"/32", "host", "LOCAL"}) && last.IsValid() && !slices.Contains(all, last):
			all = append(all, last)
		}
	}
	return all
}

// parseIfInet6 reads the addresses in /proc/net/if_inet6 (proc_net(5)): 32
// hexadecimal digits at the beginning of each line.
func parseIfInet6(text []byte) []netip.Addr {
	var all []netip.Addr
	for line := range strings.Lines(string(text)) {
		digits, _, _ := strings.Cut(line, " ")
		raw, err := hex.DecodeString(digits)
		if a, ok := netip.AddrFromSlice(raw); err == nil && ok && a.Is6() {
			all = append(all, a)
		}
	}
	return all
}

// parseNetTCP reads /proc/net/tcp and tcp6 (proc_net(5),
// Documentation/networking/proc_net_tcp.rst): the second column is the local
// address, the fourth the state (0A: listening), the tenth the inode. Addresses
// are in words of the host's byte order.
func parseNetTCP(text []byte) []Listener {
	var all []Listener
	for _, line := range strings.Split(string(text), "\n") {
		w := strings.Fields(line)
		if len(w) < 10 || w[3] != "0A" {
			continue
		}
		address, port, ok := strings.Cut(w[1], ":")
		if !ok {
			continue
		}
		n, err := strconv.ParseUint(port, 16, 16)
		if err != nil {
			continue
		}
		raw, err := hex.DecodeString(address)
		if err != nil || len(raw)%4 != 0 {
			continue
		}
		// All boards of this project are little endian.
		for i := 0; i < len(raw); i += 4 {
			slices.Reverse(raw[i : i+4])
		}
		addr, ok := netip.AddrFromSlice(raw)
		if !ok {
			continue
		}
		all = append(all, Listener{Port: int(n), Address: addr.Unmap(), Inode: w[9]})
	}
	return all
}

// Owner finds who holds a listening socket: the name and the ID of a process,
// from /proc/PID/fd. Empty when that may not be read or is not to be found.
func (l Listener) Owner(root string) (name string, pid int) {
	f := filesOf(root)
	want := "socket:[" + l.Inode + "]"
	for _, p := range f.Names("/proc") {
		n, err := strconv.Atoi(p)
		if err != nil {
			continue
		}
		for _, fd := range f.Names("/proc/" + p + "/fd") {
			if f.Link(filepath.Join("/proc", p, "fd", fd)) == want {
				return f.Line("/proc/" + p + "/comm"), n
			}
		}
	}
	return "", 0
}
