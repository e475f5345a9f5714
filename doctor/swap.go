package doctor

import (
	"fmt"
	"strings"

	"github.com/kubeadm-arm/kubeadm-arm/hwdetect"
	"github.com/kubeadm-arm/kubeadm-arm/internal/shell"
	"github.com/kubeadm-arm/kubeadm-arm/kubeadm"
)

// allowsSwap tells whether the kubelet was told to run with swap on.
func (f Facts) allowsSwap() bool {
	return f.Ask.FailSwapOn == "false" || strings.Contains(f.Host.Node.KubeletArgs, "fail-swap-on=false")
}

func swap(f Facts) []Finding {
	s := f.Host.Swap
	if f.allowsSwap() {
		if len(s.On) > 0 {
			return fine("swap", "swap is on, and the kubelet is told to run with it")
		}
		return fine("swap", "no swap")
	}
	found := Finding{
		ID: "swap", Severity: Fail,
		Means: "the kubelet exits with \"running with swap on is not supported\" (failSwapOn). To keep swap, put failSwapOn: false into a KubeletConfiguration and hand it over with --config",
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
		if f.Kubeadm.Value(kubeadm.SwapCheck) == "error" {
			found.Checks = []string{"Swap"}
		}
		found.Fix = []string{"sudo swapoff -a"}
		if len(makers) == 0 {
			found.Fix = append(found.Fix, "systemctl list-units --all --type=swap; grep -rl swapon /etc    # nothing was found that makes it again at the next start; look here if it is back then")
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
	found.Fix = append(found.Fix, f.stopSwapMakers()...)
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

func makerName(m hwdetect.SwapMaker) string {
	if m.Kind == hwdetect.SwapLine {
		return fmt.Sprintf("line %d of %s (%s)", m.Line, m.Path, m.Name)
	}
	return m.Name
}

// stopSwapMakers are the commands after which nothing makes swap at the next start.
func (f Facts) stopSwapMakers() []string {
	const why = "    # or it is back after the next start"
	var all []string
	edits := map[string]*edit{}
	for _, m := range f.Host.Swap.Makers {
		switch {
		case m.Kind == hwdetect.SwapLine:
			e := edits[m.Path]
			if e == nil {
				e = f.edit(f.Host.File(m.Path))
				edits[m.Path] = e
			}
			all = append(all, e.silence(m)+why)
		case m.Name == "armbian-zram-config.service":
			e := f.edit(f.Host.File("/etc/default/armbian-zram-config"))
			if s, ok := hwdetect.ShellSetting(e.text, "SWAP"); ok {
				e.replace(s.From, s.To, "false")
			} else {
				e.add("SWAP=false")
			}
			all = append(all, strings.Join(e.commands, "; ")+why)
		case m.Kind == hwdetect.SwapUnit:
			all = append(all, f.systemctl("disable", m.Name)+why)
		case m.Kind == hwdetect.SwapStatic:
			all = append(all, f.systemctl("mask", m.Name)+why)
		case m.Kind == hwdetect.SwapGenerator:
			const folder = "/etc/systemd/system-generators"
			dir := shell.Quote(f.path(folder))
			all = append(all, fmt.Sprintf("sudo mkdir -p %s && sudo ln -s /dev/null %s/%s", dir, dir, m.Name)+why)
		case m.Kind == hwdetect.SwapInit && f.Under == "":
			all = append(all, "sudo update-rc.d "+shell.Quote(m.Name)+" disable"+why)
		default:
			all = append(all, "# on the board: sudo update-rc.d "+shell.Quote(m.Name)+" disable")
		}
	}
	return all
}

// systemctl is the command that enables or disables a unit, on a card without
// starting or stopping anything.
func (f Facts) systemctl(verb, unit string) string {
	if f.Under != "" {
		return "sudo systemctl --root=" + shell.Quote(f.Under) + " " + verb + " " + shell.Quote(unit)
	}
	return "sudo systemctl " + verb + " --now " + shell.Quote(unit)
}

// silence takes a line out of use. In a script a line inside of a block cannot
// become a comment, as a block without a command is an error: the owner has to look.
func (e *edit) silence(m hwdetect.SwapMaker) string {
	lines := append(strings.Split(e.text, "\n"), make([]string, m.Line)...)
	goesOn := m.Line > 1 && strings.HasSuffix(lines[m.Line-2], `\`) || strings.HasSuffix(strings.TrimRight(lines[m.Line-1], "\r"), `\`)
	if goesOn || m.Path == "/etc/rc.local" && (strings.TrimLeft(lines[m.Line-1], " \t") != lines[m.Line-1] || strings.ContainsAny(lines[m.Line-1], "{}") || hasBlockWord(lines[m.Line-1])) {
		return fmt.Sprintf("sudo nano +%d %s    # take out %q", m.Line, shell.Quote(e.path), m.Name)
	}
	e.comment(m.Line)
	return e.commands[len(e.commands)-1]
}

// hasBlockWord tells whether a line of a script begins or ends a block.
func hasBlockWord(line string) bool {
	for _, w := range strings.FieldsFunc(line, func(r rune) bool { return r == ' ' || r == '\t' || r == ';' }) {
		switch w {
		case "if", "then", "elif", "else", "fi", "for", "while", "until", "do", "done", "case", "esac":
			return true
		}
	}
	return false
}
