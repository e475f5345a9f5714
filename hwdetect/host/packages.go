package host

import "strings"

// packageNames are the packages whose version tells that of a program that
// cannot be asked, because its board is not running.
func packageNames() []string {
	return []string{"kubeadm", "kubelet", "containerd", "containerd.io"}
}

// maxPackages bounds the list of packages: a board with a desktop has 3 MiB.
const maxPackages = 16 << 20

// readPackages reads the versions of installed packages (dpkg-query(1), the file
// /var/lib/dpkg/status).
func readPackages(f files) map[string]string {
	all := map[string]string{}
	wanted := map[string]bool{}
	for _, name := range packageNames() {
		wanted[name] = true
	}
	for _, paragraph := range strings.Split(string(f.ReadUpTo("/var/lib/dpkg/status", maxPackages)), "\n\n") {
		fields := map[string]string{}
		for _, line := range strings.Split(paragraph, "\n") {
			if key, value, ok := strings.Cut(line, ":"); ok && !strings.HasPrefix(line, " ") {
				fields[key] = strings.TrimSpace(value)
			}
		}
		if wanted[fields["Package"]] && strings.HasSuffix(fields["Status"], " installed") {
			all[fields["Package"]] = fields["Version"]
		}
	}
	return all
}
