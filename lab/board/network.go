package board

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strings"
)

// network gives the board's one interface its address and a default route that leads
// nowhere but satisfies whoever looks for one. A board of a network has the interface; that
// of another is a bridge because kernels of small virtual machines lack the dummy interface.
func (b *Board) network() error {
	commands := [][]string{{"ip", "link", "set", "lo", "up"}}
	if b.Network == "" {
		commands = append(commands, []string{"ip", "link", "add", "eth0", "type", "bridge"})
	}
	for _, args := range append(commands, [][]string{
		{"ip", "addr", "add", b.NodeIP + "/24", "dev", "eth0"},
		{"ip", "link", "set", "eth0", "up"},
		{"ip", "route", "add", "default", "via", b.NodeIP, "dev", "eth0"},
	}...) {
		if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
			return fmt.Errorf("set up the network: %s: %w: %s", strings.Join(args, " "), err, out)
		}
	}
	// All of them belong to the board's network namespace.
	for path, value := range map[string]string{
		"/proc/sys/net/ipv4/ip_forward": "1",
		// Without these two the board's own addresses would not answer
		// through the bridge of the pods.
		"/proc/sys/net/ipv4/conf/all/rp_filter":     "0",
		"/proc/sys/net/ipv4/conf/default/rp_filter": "0",
		// kubeadm's preflight looks at it up to v1.29.
		"/proc/sys/net/bridge/bridge-nf-call-iptables": "1",
	} {
		if err := os.WriteFile(path, []byte(value), 0); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("set %s: %w", path, err)
		}
	}
	return nil
}
