package main

import (
	"fmt"
	"os"
	"os/exec"
	"sort"
	"strings"
)

// neededPrograms maps a file of a Debian package to the package.
func neededPrograms() map[string]string {
	return map[string]string{
		"/usr/bin/containerd": "containerd", "/usr/sbin/runc": "runc", "/bin/ip": "iproute2",
		"/usr/sbin/xtables-nft-multi": "iptables", "/usr/sbin/nft": "nftables", "/usr/sbin/conntrack": "conntrack",
		"/usr/sbin/ethtool": "ethtool", "/usr/bin/socat": "socat", "/usr/lib/cni/bridge": "containernetworking-plugins",
		"/bin/mount": "mount",
	}
}

func missingPackages() []string {
	var missing []string
	for path, pkg := range neededPrograms() {
		if _, err := os.Stat(path); err != nil {
			missing = append(missing, pkg)
		}
	}
	sort.Strings(missing)
	return missing
}

func needDebianPrograms() error {
	if missing := missingPackages(); len(missing) > 0 {
		return fmt.Errorf("the Debian packages %s are missing; install them with: lab deps", strings.Join(missing, ", "))
	}
	return nil
}

// installDeps installs what is missing, and starts none of it on this machine:
// a board has a containerd of its own.
func installDeps() error {
	missing := missingPackages()
	if len(missing) == 0 {
		return nil
	}
	say("installing Debian packages: %s", strings.Join(missing, " "))
	for _, args := range [][]string{
		{"apt-get", "update", "-qq"},
		append([]string{"apt-get", "install", "-y", "-qq", "--no-install-recommends"}, missing...),
	} {
		cmd := exec.Command(args[0], args[1:]...)
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive", "RUNLEVEL=1")
		if err := runQuiet(cmd); err != nil {
			return err
		}
	}
	return nil
}
