package main

// expectation is what kubeadm-arm detect has to find on a board.
type expectation struct {
	board, program string // lab's name, and what make cross calls its CPU
	model          string
	core           string
	count          int
	arch           string
	// findings are those that doctor must have on the board, by ID, with their
	// severity; absent are those that it must not have.
	findings map[string]string
	absent   []string
}

// On every board there is nothing but kubeadm-arm and the kernel: no cgroup file
// system, no route, no container runtime. What differs is the hardware.
func findings(more map[string]string) map[string]string {
	all := map[string]string{"cgroup-version": "fail", "runtime": "fail", "default-route": "fail"}
	for id, severity := range more {
		all[id] = severity
	}
	return all
}

// expectations begin with the boards of a quick run. The two boards without a
// maker are QEMU's own, with the cores of those that they stand for.
func expectations() []expectation {
	return []expectation{
		{"raspberrypi1", "armv6", "Raspberry Pi Model B", "ARM1176", 1, "ARMv6",
			findings(map[string]string{"cpus": "fail", "memory": "fail", "images": "warning",
				"etcd-arch": "info"}), nil},
		{"bananapi", "armv7", "linux,dummy-virt", "Cortex-A7", 2, "ARMv7",
			findings(map[string]string{"memory": "fail", "images": "warning", "etcd-arch": "info"}), []string{"cpus"}},
		{"cubieboard", "armv7", "Cubietech Cubieboard", "Cortex-A8", 1, "ARMv7",
			findings(map[string]string{"cpus": "fail", "memory": "fail", "images": "warning",
				"etcd-arch": "info"}), nil},
		{"orangepi", "armv7", "Xunlong Orange Pi PC", "Cortex-A7", 4, "ARMv7",
			findings(map[string]string{"memory": "fail", "images": "warning", "etcd-arch": "info"}), []string{"cpus"}},
		{"raspberrypi2", "armv7", "Raspberry Pi 2 Model B", "Cortex-A7", 4, "ARMv7",
			findings(map[string]string{"memory": "fail", "images": "warning", "etcd-arch": "info"}), []string{"cpus"}},
		{"raspberrypi3", "arm64", "Raspberry Pi 3 Model B", "Cortex-A53", 4, "ARMv8",
			findings(map[string]string{"memory": "fail"}), []string{"cpus", "images", "etcd-arch"}},
		{"rk3328", "arm64", "linux,dummy-virt", "Cortex-A53", 4, "ARMv8", findings(nil),
			[]string{"cpus", "memory", "images", "etcd-arch"}},
	}
}

// quickBoards is how many of them a quick run boots.
const quickBoards = 2

// detected is the part of kubeadm-arm detect -o json that is checked.
type detected struct {
	Model string `json:"model"`
	CPU   struct {
		Arch  string `json:"arch"`
		Count int    `json:"count"`
		Cores []struct {
			Name string `json:"name"`
		} `json:"cores"`
	} `json:"cpu"`
	Kernel struct {
		Release string `json:"release"`
	} `json:"kernel"`
}
