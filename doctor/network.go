package doctor

import (
	"cmp"
	"fmt"
	"net/netip"
	"path"
	"slices"
	"sort"
	"strconv"
	"strings"

	"github.com/kubeadm-arm/kubeadm-arm/internal/shell"
	"github.com/kubeadm-arm/kubeadm-arm/kubeadm"
)

// families reports which of IPv4 and IPv6 the cluster will have, as kubeadm finds
// out: by the advertised address, which is that of the default route unless
// named, and by the subnets, of which that of services is IPv4 unless set.
func (f Facts) families() (four, six bool) {
	address := f.Ask.AdvertiseAddress
	switch {
	case address != "":
		four, six = !strings.Contains(address, ":"), strings.Contains(address, ":")
	case f.Host.Network.IPv6Route && !f.Host.Network.IPv4Route:
		six = true
	default:
		four = true
	}
	services := f.Ask.ServiceSubnet
	if services == "" {
		services = "10.96.0.0/12"
	}
	for _, subnet := range strings.Split(services+","+f.Ask.PodSubnet, ",") {
		if _, err := netip.ParsePrefix(strings.TrimSpace(subnet)); err == nil {
			six = six || strings.Contains(subnet, ":")
			four = four || !strings.Contains(subnet, ":")
		}
	}
	return four, six
}

// A sysctl is a setting of the kernel that a cluster needs to be 1.
type sysctl struct {
	id, name string
	// needed reports whether this cluster needs it, and asked whether kubeadm's
	// preflight asks for it.
	needed, asked bool
	means         string
}

// sysctls are those of this cluster and this kubeadm.
func (f Facts) sysctls() []sysctl {
	four, six := f.families()
	// Up to v1.26 preflight wants IPv4's in every case, and IPv6's by the
	// advertised address alone.
	old := !f.Kubeadm.ForwardsByAddresses()
	asked6 := six && (!old || strings.Contains(f.Ask.AdvertiseAddress, ":"))
	bridge := f.Kubeadm.Has(kubeadm.BridgeCheck)
	const pods, bridged = "no packet would reach a pod", "pod networks with a bridge, such as flannel, need it"
	return []sysctl{
		{"ip-forward", "net.ipv4.ip_forward", four, four || old, pods},
		{"ipv6-forward", "net.ipv6.conf.default.forwarding", six, asked6, pods},
		{"ipv6-forward-all", "net.ipv6.conf.all.forwarding", six, false, pods + ": it is what switches forwarding " +
			"on for the interfaces that are there"},
		{"bridge-netfilter", "net.bridge.bridge-nf-call-iptables", four, bridge && (four || old), bridged},
		{"bridge-netfilter-ipv6", "net.bridge.bridge-nf-call-ip6tables", six, bridge && asked6, bridged},
	}
}

func kernelSettings(f Facts) []Finding {
	var all []Finding
	if f.Host.Stopped {
		return f.settingsAtStart()
	}
	if len(f.Host.Network.Sysctl) == 0 {
		return nil // the kernel's settings could not be read at all
	}
	for _, s := range f.sysctls() {
		v, known := f.Host.Network.Sysctl[s.name]
		bridge := strings.HasPrefix(s.name, "net.bridge.")
		switch {
		case !s.needed && !s.asked:
		case v == "1":
			all = append(all, Finding{ID: s.id, Severity: OK, Seen: s.name + " is 1"})
		case !known && !bridge:
			if strings.HasPrefix(s.name, "net.ipv6.") && s.asked {
				all = append(all, f.noIPv6(s))
			}
		default:
			all = append(all, f.sysctlFinding(s, v, bridge))
		}
	}
	return all
}

// noIPv6 is the finding that the kernel has no IPv6 at all.
func (f Facts) noIPv6(s sysctl) Finding {
	return Finding{
		ID: s.id, Severity: Fail, Seen: "the kernel has no " + s.name + ": IPv6 is switched off",
		Checks: []string{preflightFile(s.name)},
		Means:  "kubeadm's preflight asks for it, because the configuration has IPv6 addresses",
		Fix: []string{"# take ipv6.disable=1 out of the kernel's command line and start again, or give the " +
			"cluster IPv4 subnets only"},
	}
}

// preflightFile is the name of kubeadm's check of a kernel's setting.
func preflightFile(name string) string {
	return "FileContent--proc-sys-" + strings.ReplaceAll(name, ".", "-")
}

// sysctlFinding is what to say of a setting that is not 1.
func (f Facts) sysctlFinding(s sysctl, v string, bridge bool) Finding {
	found := Finding{
		ID: s.id, Severity: Warning, Rule: OwnRule, Seen: s.name + " is " + v, Means: s.means + "; this kubeadm " +
			"does not ask for it",
		Fix: []string{"sudo sysctl --system"},
	}
	if bridge {
		found.Severity = Info
	}
	if s.asked {
		found.Severity, found.Rule, found.Checks = Fail, PreflightRule, []string{preflightFile(s.name)}
		found.Means = "kubeadm's preflight refuses it: " + s.means
	}
	if v == "" {
		found.Seen = "br_netfilter is not loaded"
		found.Edits = []Edit{{"/etc/modules-load.d/kubeadm-arm.conf", addLine{"br_netfilter"}}}
		found.Fix = append([]string{"sudo modprobe br_netfilter"}, found.Fix...)
	}
	own := "/etc/sysctl.d/99-kubeadm-arm.conf"
	file := f.Host.Network.SysctlFiles[s.name]
	change := setLine{s.name, "1"}
	switch base := path.Base(file.Path); {
	case file.Value == "1" || file.Path == "":
	case strings.HasPrefix(file.Path, "/etc/"): // the owner's, which counts
		key, _, _ := strings.Cut(file.Line, "=")
		own, change.Key = file.Path, strings.TrimSpace(key)
	case base > path.Base(own): // a package's file that comes later: ours has to come after it
		own = "/etc/sysctl.d/" + strings.TrimSuffix(base, ".conf") + ".kubeadm-arm.conf"
	}
	found.Edits = append(found.Edits, Edit{own, change})
	if file.Path != "" && file.Value != "1" {
		found.Seen += ", as " + file.Path + " says"
	}
	return found
}

// ownAddress judges the address that was named: etcd and the API server listen on it.
func ownAddress(f Facts) []Finding {
	n := f.Host.Network
	a, err := netip.ParseAddr(f.Ask.AdvertiseAddress)
	if err != nil || a.IsUnspecified() || len(n.Addresses) == 0 || slices.Contains(n.Addresses, a.Unmap()) {
		return nil
	}
	var others []string
	for _, o := range n.Addresses {
		if !o.IsLoopback() && !o.IsLinkLocalUnicast() {
			others = append(others, o.String())
		}
	}
	found := Finding{
		ID: "own-address", Severity: Fail, Rule: KubeadmRule,
		Seen: fmt.Sprintf("this board has no address %s; it has %s", a, cmp.Or(strings.Join(others, ", "), "none but "+
			"loopback")),
		Means: "etcd cannot listen there. kubeadm from v1.37 says that ports 2379 and 2380 are in use, older ones wait " +
			"for an etcd that ends again and again",
		Fix: []string{"ip -brief address    # name one of the board's own with --apiserver-advertise-address (in a " +
			"configuration: localAPIEndpoint.advertiseAddress)"},
	}
	if f.Ask.ExternalEtcd {
		found.Severity, found.Rule = Warning, OwnRule
		found.Means = "the API server is announced under an address at which this board does not answer"
	}
	return one(found)
}

func defaultRoute(f Facts) []Finding {
	n := f.Host.Network
	switch {
	case !n.Known:
		return nil
	case n.DefaultRoute:
		return fine("default-route", "there is a default route")
	case f.Ask.AdvertiseAddress != "":
		return one(Finding{ID: "default-route", Severity: Warning, Seen: "there is no default route",
			Means: "images cannot be pulled; they have to be on the board"})
	}
	return one(Finding{
		ID: "default-route", Severity: Fail, Rule: KubeadmRule, Seen: "there is no default route",
		Means: "kubeadm takes the address of the board from it, and stops with: cannot use \"0.0.0.0\" as the bind " +
			"address for the API Server",
		Fix: []string{
			"ip -brief address    # is the cable in, has the board an address?",
			"sudo ip route add default via 192.168.1.1    # your router's address",
			"kubeadm-arm init --apiserver-advertise-address=192.168.1.5    # or name the board's own; images must " +
				"be on the board then",
		},
	})
}

func nameServers(f Facts) []Finding {
	n := f.Host.Names
	if n.ResolvConf == "" {
		if len(n.Hosts) == 0 || f.Host.Stopped {
			return nil // nothing of /etc could be read, or it is made at the start
		}
		return one(f.noResolvConf())
	}
	if len(n.Servers) == 0 {
		found := Finding{
			ID: "name-servers", Severity: Warning, Rule: OwnRule, Seen: n.ResolvConf + " names no name server",
			Means: "images cannot be pulled by name, and CoreDNS has no server to ask",
		}
		switch router := f.Host.Network.Gateway; {
		case strings.HasPrefix(n.ResolvConf, "/run/"):
			found.Fix = []string{"# systemd-resolved has been given none; for a board with a cable: sudo " +
				"resolvectl dns eth0 " + f.router()}
		case router.IsValid():
			found.Edits = []Edit{{n.ResolvConf, addLine{"nameserver " + router.String()}}}
		default:
			found.Fix = []string{"# add to " + n.ResolvConf + " a line such as: nameserver " + f.router()}
		}
		return one(found)
	}
	loop, unreachable := "", 0
	for _, s := range n.Servers {
		if a, err := netip.ParseAddr(s); err == nil && a.IsLoopback() {
			loop = s
		} else if err == nil && a.IsLinkLocalUnicast() {
			unreachable++
		}
	}
	switch {
	case loop != "":
		return one(Finding{
			ID: "name-servers", Severity: Warning, Rule: OwnRule, Seen: n.ResolvConf + " names " + loop,
			Means: "CoreDNS would ask itself forever and stop with \"Loop detected\": in a pod that address is " +
				"the pod's own",
			Fix: append([]string{f.nameServerLine("/etc/resolv-pods.conf")},
				f.kubeletConfiguration("resolv-conf", "resolvConf: /etc/resolv-pods.conf")...),
		})
	case unreachable == len(n.Servers):
		return one(Finding{
			ID: "name-servers", Severity: Warning, Rule: OwnRule, Seen: n.ResolvConf + " names " +
				strings.Join(n.Servers, ", ") + " alone",
			Means: "a link-local address holds on the board's own interface; it cannot be reached from a pod, so " +
				"CoreDNS resolves nothing outside the cluster",
			Fix: append([]string{f.nameServerLine("/etc/resolv-pods.conf")},
				f.kubeletConfiguration("resolv-conf", "resolvConf: /etc/resolv-pods.conf")...),
		})
	case n.Ignored > 0:
		return one(Finding{
			ID: "name-servers", Severity: Info, Seen: fmt.Sprintf("%s names %d name servers, of which three count",
				n.ResolvConf, len(n.Servers)+n.Ignored),
			Means: "the kubelet says so with each pod (DNSConfigForming); nothing else comes of it",
		})
	}
	return fine("name-servers", strings.Join(n.Servers, ", ")+" ("+n.ResolvConf+")")
}

// noResolvConf is the finding of a board without the file that pods are given. One that
// the kubelet is configured to take is made; the board's own one is left alone then.
func (f Facts) noResolvConf() Finding {
	found := Finding{
		ID: "name-servers", Severity: Fail, Rule: KubeletRule, Means: "the kubelet cannot start any pod without it",
	}
	if asked := cmp.Or(f.Host.Node.KubeletFlag("resolv-conf"), f.Ask.ResolvConf); asked != "" {
		found.Seen = "there is no " + asked + ", which the kubelet is configured to give to pods (resolvConf)"
		found.Fix = []string{f.nameServerLine(asked)}
		return found
	}
	found.Seen = "there is no /etc/resolv.conf (or it is a link to nowhere)"
	found.Fix = []string{
		"ls -l /etc/resolv.conf", "sudo rm -f /etc/resolv.conf && " + f.nameServerLine("/etc/resolv.conf"),
	}
	return found
}

// router is the default route's next hop, or an example of one.
func (f Facts) router() string {
	if a := f.Host.Network.Gateway; a.IsValid() {
		return a.String()
	}
	return "192.168.1.1"
}

// nameServerLine writes a file with the router as name server. The file is one
// that is not there, or this program's own.
func (f Facts) nameServerLine(path string) string {
	return "echo 'nameserver " + f.router() + "' | sudo tee " + shell.Quote(path) + "    # your router's address, if it " +
		"is another one"
}

// kubeletConfiguration is how to give the kubelet a setting with --config. kubeadm
// takes no file with a KubeletConfiguration alone.
//
// The kubelet's own flag counts more, so where there is one it has to go first.
func (f Facts) kubeletConfiguration(flag, setting string) []string {
	if written := f.Host.Node.KubeletFlagText(flag); written != "" {
		where := cmp.Or(f.Host.Node.KubeletFlagFiles[flag], "the kubelet's unit")
		first := "# take " + written + " out of " + where + ": a flag counts more than the configuration. Then:"
		return append([]string{first}, f.withoutFlag(flag).kubeletConfiguration(flag, setting)...)
	}
	if f.Ask.ConfigFile != "" {
		return []string{"# in " + f.Ask.ConfigFile + ", in the KubeletConfiguration:", setting}
	}
	return []string{
		"# a file for --config:",
		"apiVersion: kubeadm.k8s.io/" + f.Kubeadm.ConfigWrite(), "kind: ClusterConfiguration", "---",
		"apiVersion: kubelet.config.k8s.io/v1beta1", "kind: KubeletConfiguration", setting,
	}
}

// withoutFlag are the facts of a board whose kubelet is not given a flag.
func (f Facts) withoutFlag(flag string) Facts {
	f.Host.Node.KubeletArgs = slices.DeleteFunc(slices.Clone(f.Host.Node.KubeletArgs), func(arg string) bool {
		name, _, _ := strings.Cut(arg, "=")
		return strings.ReplaceAll(name, "_", "-") == "--"+flag
	})
	return f
}

// wantedPorts are those of a control plane, and what for.
func (f Facts) wantedPorts() map[int]string {
	if f.Join != nil && f.Join.ControlPlane == nil {
		return map[int]string{10250: "the kubelet"}
	}
	all := map[int]string{f.Ask.APIPort: "the API server", 10250: "the kubelet"}
	if manager, scheduler, ok := strings.Cut(f.Kubeadm.Value(kubeadm.ControlPlanePort), ","); ok {
		all[number(manager)], all[number(scheduler)] = "the controller-manager", "the scheduler"
	}
	if !f.Ask.ExternalEtcd {
		all[2379], all[2380] = "etcd", "etcd's peers"
	}
	delete(all, 0)
	return all
}

func ports(f Facts) []Finding {
	if f.Resuming || f.clusterHere() || f.Host.Stopped {
		return nil // the run, or the cluster, holds them itself, or nobody does
	}
	wanted := f.wantedPorts()
	taken := map[int]bool{}
	for _, l := range f.Host.Network.Listeners {
		// etcd listens on the node's address and on loopback; a listener on
		// another one is not in its way.
		etcd := l.Port == 2379 || l.Port == 2380
		elsewhere := l.Address.IsValid() && !l.Address.IsUnspecified() && !l.Address.IsLoopback() &&
			l.Address.String() != f.Ask.AdvertiseAddress
		if wanted[l.Port] != "" && !(etcd && elsewhere) {
			taken[l.Port] = true
		}
	}
	if len(taken) == 0 {
		return fine("ports", "free")
	}
	var list []int
	for p := range taken {
		list = append(list, p)
	}
	sort.Ints(list)
	var words, checks []string
	ours := false
	for _, p := range list {
		who := f.Holders[p]
		ours = ours || strings.HasPrefix(who, "kube") || strings.HasPrefix(who, "etcd")
		if who == "" {
			who = "an unknown process"
		}
		words = append(words, fmt.Sprintf("%d (for %s) by %s", p, wanted[p], who))
		checks = append(checks, "Port-"+strconv.Itoa(p))
	}
	found := Finding{
		ID: "ports", Severity: Fail, Seen: "ports in use: " + strings.Join(words, ", "), Checks: checks,
		Means: "kubeadm's preflight refuses it: two programs cannot listen on one port",
		Fix:   []string{fmt.Sprintf("sudo ss -ltnp 'sport = :%d'    # who it is; stop that program", list[0])},
	}
	if ours {
		found.Fix = append(found.Fix, "sudo kubeadm-arm reset    # if it is left of an older cluster: it takes "+
			"that away")
	}
	if slices.Contains(list, f.Ask.APIPort) && !ours {
		found.Fix = append(found.Fix, "kubeadm-arm init --apiserver-bind-port=7443    # or another port for the "+
			"API server")
	}
	return one(found)
}
