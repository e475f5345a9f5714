package doctor

import (
	"cmp"
	"fmt"
	"path"
	"strings"

	"github.com/kubeadm-arm/kubeadm-arm/hwdetect/host"
	"github.com/kubeadm-arm/kubeadm-arm/internal/shell"
)

// allowsSwap reports whether the kubelet is configured to run with swap on: by a flag,
// which counts more than its configuration file.
func (f Facts) allowsSwap() bool { return isFalse(f.kubeletSetting("fail-swap-on", f.Ask.FailSwapOn)) }

func swap(f Facts) []Finding {
	s := f.Host.Swap
	if f.allowsSwap() {
		if len(s.On) > 0 {
			return fine("swap", "swap is on, and the kubelet is configured to run with it")
		}
		return fine("swap", "no swap")
	}
	found := Finding{
		ID: "swap", Severity: Fail, Rule: KubeletRule,
		Means: "the kubelet exits with \"running with swap on is not supported\" (failSwapOn). To keep swap, put " +
			"failSwapOn: false into a KubeletConfiguration, beside a ClusterConfiguration, in a file for --config",
	}
	if written := f.Host.Node.KubeletFlagText("fail-swap-on"); written != "" {
		found.Means = "the kubelet exits with \"running with swap on is not supported\": " + written + " in " +
			cmp.Or(f.Host.Node.KubeletFlagFiles["fail-swap-on"], "its unit") + " counts more than any failSwapOn in its " +
			"configuration. To keep swap, make it --fail-swap-on=false"
	}
	var makers []string
	for _, m := range s.Makers {
		makers = append(makers, makerName(m))
	}
	switch {
	case len(s.On) > 0:
		found.Seen = "swap is on: " + f.swapNames()
		if len(makers) > 0 {
			found.Seen += "; made at each start by " + strings.Join(makers, ", ")
		}
		if strings.Contains(f.swapNames(), "zram") {
			found.Means = "compressed memory counts, too: " + found.Means
		}
		if f.Kubeadm.SwapIsError() {
			found.Checks = []string{"Swap"}
		}
		found.Fix = []string{"sudo swapoff -a"}
		if len(makers) == 0 {
			found.Fix = append(found.Fix, "# nothing was found that makes it again at the next start; if it is back then: "+
				"systemctl list-units --all --type=swap; grep -rl swapon /etc")
		}
	case len(makers) == 0:
		return fine("swap", "no swap")
	case f.Host.Stopped:
		found.Seen = "swap will be on after the next start: " + strings.Join(makers, ", ")
	default:
		found.Severity = Warning
		found.Seen = "swap is off now, and comes back at the next start: " + strings.Join(makers, ", ")
		found.Means = "after that start the kubelet refuses to run (failSwapOn)"
	}
	f.stopSwapMakers(&found)
	return one(found)
}

// swapNames are the swaps in use with their sizes.
func (f Facts) swapNames() string {
	var names []string
	for _, x := range f.Host.Swap.On {
		names = append(names, fmt.Sprintf("%s, %d MiB", x.Name, x.Size>>20))
	}
	return strings.Join(names, "; ")
}

func makerName(m host.SwapMaker) string {
	if m.Kind == host.SwapLine {
		return fmt.Sprintf("line %d of %s (%s)", m.Line, m.Path, m.Name)
	}
	return m.Name
}

// stopSwapMakers adds what keeps them from making swap at the next start.
func (f Facts) stopSwapMakers(found *Finding) {
	const why = "    # or it is back after the next start"
	for _, m := range f.Host.Swap.Makers {
		switch {
		case m.Kind == host.SwapLine:
			found.Edits = append(found.Edits, Edit{m.Path, commentOut{m.Text, m.Script}})
		case m.Name == "armbian-zram-config.service":
			found.Edits = append(found.Edits, Edit{m.Path, setShell{"SWAP", "false"}})
		case m.Kind == host.SwapUnit:
			found.Fix = append(found.Fix, f.systemctl("disable", m.Name)+why)
		case m.Kind == host.SwapStatic:
			found.Fix = append(found.Fix, f.systemctl("mask", m.Name)+why)
		case m.Kind == host.SwapGenerator:
			dir := shell.Quote(f.path("/etc/systemd/system-generators"))
			found.Fix = append(found.Fix, fmt.Sprintf("sudo mkdir -p %s && sudo ln -s /dev/null %s/%s", dir, dir, m.Name)+why)
		default:
			found.Fix = append(found.Fix, "sudo update-rc.d "+shell.Quote(m.Name)+" disable"+why)
		}
	}
}

// path is where the owner's shell finds a path of the board: on a card it lies
// below the card's folder.
func (f Facts) path(of string) string { return path.Join("/", f.Under, of) }

// systemctl is the command that enables or disables a unit, on a card without
// starting or stopping anything.
func (f Facts) systemctl(verb, unit string) string {
	if f.Under != "" {
		return "sudo systemctl --root=" + shell.Quote(f.Under) + " " + verb + " " + shell.Quote(unit)
	}
	return "sudo systemctl " + verb + " --now " + shell.Quote(unit)
}
