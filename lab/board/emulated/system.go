package emulated

import "github.com/kubeadm-arm/kubeadm-arm/lab/board"

// systemFiles are the same on all emulated boards. Kubernetes' own are those of its
// Debian packages.
func systemFiles() map[string]string {
	return map[string]string{
		"/etc/crictl.yaml":                    board.CrictlConfig,
		"/etc/modules-load.d/kubernetes.conf": "overlay\nbr_netfilter\n",
		"/etc/sysctl.d/kubernetes.conf":       "net.ipv4.ip_forward = 1\nnet.bridge.bridge-nf-call-iptables = 1\n",
		"/etc/systemd/system/lab-network.service": `[Unit]
Description=An address for a board without network
DefaultDependencies=no
After=systemd-modules-load.service local-fs.target
Before=network.target network-online.target
Wants=network.target

[Service]
Type=oneshot
RemainAfterExit=yes
EnvironmentFile=/etc/default/lab-network
ExecStart=/bin/sh -ec 'ip link add eth0 type dummy; ip addr add $ADDRESS/24 dev eth0; ip link set eth0 up; ip route add default via $ADDRESS dev eth0'

[Install]
WantedBy=multi-user.target network-online.target
`,
		"/usr/lib/systemd/system/kubelet.service": `[Unit]
Description=kubelet: The Kubernetes Node Agent
Documentation=https://kubernetes.io/docs/
Wants=network-online.target
After=network-online.target

[Service]
ExecStart=/usr/bin/kubelet
Restart=always
StartLimitInterval=0
RestartSec=10

[Install]
WantedBy=multi-user.target
`,
		"/usr/lib/systemd/system/kubelet.service.d/10-kubeadm.conf": `[Service]
Environment="KUBELET_KUBECONFIG_ARGS=--bootstrap-kubeconfig=/etc/kubernetes/bootstrap-kubelet.conf --kubeconfig=/etc/kubernetes/kubelet.conf"
Environment="KUBELET_CONFIG_ARGS=--config=/var/lib/kubelet/config.yaml"
EnvironmentFile=-/var/lib/kubelet/kubeadm-flags.env
EnvironmentFile=-/etc/default/kubelet
ExecStart=
ExecStart=/usr/bin/kubelet $KUBELET_KUBECONFIG_ARGS $KUBELET_CONFIG_ARGS $KUBELET_KUBEADM_ARGS $KUBELET_EXTRA_ARGS
`,
	}
}

// systemLinks enable services, as systemctl would, and keep from starting what
// would disturb measurements at times of its own choice.
func systemLinks() map[string]string {
	links := map[string]string{
		"/etc/systemd/system/multi-user.target.wants/kubelet.service":         "/usr/lib/systemd/system/kubelet.service",
		"/etc/systemd/system/multi-user.target.wants/lab-network.service":     "/etc/systemd/system/lab-network.service",
		"/etc/systemd/system/network-online.target.wants/lab-network.service": "/etc/systemd/system/lab-network.service",
	}
	for _, unit := range []string{"apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer",
		"e2scrub_all.timer", "e2scrub_reap.service",
		"fstrim.timer", "mdcheck_start.timer", "mdcheck_continue.timer"} {
		links["/etc/systemd/system/"+unit] = "/dev/null"
	}
	return links
}
