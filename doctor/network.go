package doctor

import (
	"fmt"
	"net/netip"
	"slices"
	"sort"
	"strconv"
	"strings"

	"github.com/kubeadm-arm/kubeadm-arm/kubeadm"
)

func forwarding(f Facts) []Finding {
	const name = "net.ipv4.ip_forward"
	v := f.Host.Network.Sysctl[name]
	if f.Host.Stopped {
		return f.sysctlAtStart("ip-forward", name)
	}
	switch {
	case v == "" || strings.Contains(f.Ask.AdvertiseAddress, ":"):
		return nil // not told, or a cluster that has no IPv4
	case v == "1":
		return fine("ip-forward", name+" is 1")
	}
	return one(Finding{
		ID: "ip-forward", Severity: Fail, Seen: name + " is " + v, Checks: []string{"FileContent--proc-sys-net-ipv4-ip_forward"},
		Means: "kubeadm's preflight refuses it: no packet would reach a pod",
		Fix:   f.setSysctl(name),
	})
}

func bridgeNetfilter(f Facts) []Finding {
	const name = "net.bridge.bridge-nf-call-iptables"
	if f.Host.Stopped {
		return f.sysctlAtStart("bridge-netfilter", name)
	}
	if f.Host.Network.Sysctl["net.ipv4.ip_forward"] == "" {
		return nil // the kernel's settings could not be read at all
	}
	v := f.Host.Network.Sysctl[name]
	if v == "1" {
		return fine("bridge-netfilter", name+" is 1")
	}
	found := Finding{
		ID: "bridge-netfilter", Severity: Info, Seen: name + " is " + v,
		Means: "pod networks with a bridge, such as flannel, need it; this kubeadm does not ask for it",
		Fix:   append(f.loadModule("br_netfilter"), f.setSysctl(name)...),
	}
	if v == "" {
		found.Seen = "br_netfilter is not loaded"
	}
	if f.Kubeadm.Value(kubeadm.BridgeCheck) == "yes" {
		found.Severity, found.Checks = Fail, []string{"FileContent--proc-sys-net-bridge-bridge-nf-call-iptables"}
		found.Means = "kubeadm's preflight refuses it"
	}
	return one(found)
}

func defaultRoute(f Facts) []Finding {
	n := f.Host.Network
	switch {
	case !n.Told:
		return nil
	case n.DefaultRoute:
		return fine("default-route", "there is a default route")
	case f.Ask.AdvertiseAddress != "":
		return one(Finding{ID: "default-route", Severity: Warning, Seen: "there is no default route", Means: "images cannot be pulled; they have to be on the board"})
	}
	return one(Finding{
		ID: "default-route", Severity: Fail, Seen: "there is no default route",
		Means: "kubeadm takes the address of the board from it, and stops with: cannot use \"0.0.0.0\" as the bind address for the API Server",
		Fix: []string{
			"ip -brief address    # is the cable in, has the board an address?",
			"sudo ip route add default via 192.168.1.1    # your router's address",
			"kubeadm-arm init --apiserver-advertise-address=192.168.1.5    # or name the board's own; images must be on the board then",
		},
	})
}

func nameServers(f Facts) []Finding {
	n := f.Host.Names
	if n.ResolvConf == "" {
		if len(n.Hosts) == 0 || f.Host.Stopped {
			return nil // nothing of /etc could be read, or it is made at the start
		}
		return one(Finding{
			ID: "name-servers", Severity: Fail, Seen: "there is no /etc/resolv.conf (or it is a link to nowhere)",
			Means: "the kubelet cannot start any pod without it",
			Fix:   []string{"ls -l /etc/resolv.conf", "sudo rm -f /etc/resolv.conf && echo 'nameserver 192.168.1.1' | sudo tee /etc/resolv.conf    # your router's address"},
		})
	}
	if len(n.Servers) == 0 {
		e := f.edit(f.Host.File("/etc/resolv.conf"))
		e.add("nameserver 192.168.1.1")
		return one(Finding{
			ID: "name-servers", Severity: Warning, Seen: n.ResolvConf + " names no name server",
			Means: "images cannot be pulled by name, and CoreDNS has nobody to ask",
			Fix:   []string{e.commands[0] + "    # your router's address"},
		})
	}
	for _, s := range n.Servers {
		if a, err := netip.ParseAddr(s); err == nil && a.IsLoopback() {
			return one(Finding{
				ID: "name-servers", Severity: Warning, Seen: n.ResolvConf + " names " + s,
				Means: "CoreDNS would ask itself for ever and stop with \"Loop detected\": in a pod that address is the pod's own",
				Fix: []string{
					"# in a KubeletConfiguration that --config names, a file with your router's address:",
					"resolvConf: /etc/kubernetes/resolv.conf",
				},
			})
		}
	}
	return fine("name-servers", strings.Join(n.Servers, ", ")+" ("+n.ResolvConf+")")
}

// wantedPorts are those of a control plane, and what for.
func (f Facts) wantedPorts() map[int]string {
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
	if f.Resuming || f.clusterHere() {
		return nil // the run, or the cluster, holds them itself
	}
	wanted := f.wantedPorts()
	taken := map[int]bool{}
	for _, l := range f.Host.Network.Listeners {
		// etcd listens on the node's address and on loopback; a listener on
		// another one is not in its way.
		etcd := l.Port == 2379 || l.Port == 2380
		elsewhere := l.Address.IsValid() && !l.Address.IsUnspecified() && !l.Address.IsLoopback() && l.Address.String() != f.Ask.AdvertiseAddress
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
			who = "somebody"
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
		found.Fix = append(found.Fix, "sudo kubeadm-arm reset    # if it is left of an older cluster: it takes that away")
	}
	if slices.Contains(list, f.Ask.APIPort) && !ours {
		found.Fix = append(found.Fix, "kubeadm-arm init --apiserver-bind-port=7443    # or another port for the API server")
	}
	return one(found)
}
