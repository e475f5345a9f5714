#!/bin/sh
# trees.sh PROGRAM FOLDER: makes whole trees of Debian 12 and 13 below FOLDER with
# debootstrap, sets them up for Kubernetes, and asks `PROGRAM doctor` about them as
# about cards in another machine. Nothing is wrong with them, and so nothing but
# information may be said. Needs root.
set -eu
program=$1 folder=$2
with=containerd,containernetworking-plugins,systemd-sysv,iproute2,iptables,conntrack,mount,util-linux,kmod,openssh-server

# Debian has neither kubeadm nor the kubelet: stand-ins, and the files of their packages.
kubernetes() {
	for name in kubeadm kubelet crictl; do
		cp "$1/bin/true" "$1/usr/bin/$name"
	done
	cat >"$1/usr/lib/systemd/system/kubelet.service" <<-END
	[Unit]
	Description=kubelet
	[Service]
	ExecStart=/usr/bin/kubelet
	Restart=always
	[Install]
	WantedBy=multi-user.target
	END
	systemctl --root="$1" enable kubelet.service
}

# What the owner does, as Kubernetes' documentation says.
owner() {
	echo shed >"$1/etc/hostname"
	printf '127.0.0.1 localhost\n127.0.1.1 shed\n' >"$1/etc/hosts"
	printf 'net.ipv4.ip_forward = 1\nnet.bridge.bridge-nf-call-iptables = 1\n' >"$1/etc/sysctl.d/k8s.conf"
	printf 'overlay\nbr_netfilter\n' >"$1/etc/modules-load.d/k8s.conf"
}

for suite in bookworm trixie; do
	tree=$folder/$suite
	rm -rf "$tree"
	debootstrap --variant=minbase --include=$with "$suite" "$tree" >"$folder/$suite.log"
	kubernetes "$tree"
	owner "$tree"
	"$program" doctor --root "$tree"
done
