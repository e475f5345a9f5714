#!/bin/sh
# trees.sh PROGRAM FOLDER DOCUMENT: makes whole trees of Debian 12 and 13 below FOLDER with
# debootstrap, sets them up for Kubernetes, and asks `PROGRAM doctor` about them as
# about cards in another machine. Nothing is wrong with them, and so nothing but
# information may be said. What it says goes into DOCUMENT. Needs root.
set -eu
program=$1 folder=$2 document=$3
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

cat >"$document" <<-END
# What doctor says on Debian's own trees

Made by \`make trees\` with debootstrap, as systems that do not run: containerd and CNI plugins of Debian,
stand-ins for kubeadm, kubelet and crictl, forwarding set, the kubelet enabled. Nothing is wrong with them.
END
for suite in bookworm trixie; do
	tree=$folder/$suite
	rm -rf "$tree"
	debootstrap --variant=minbase --include=$with "$suite" "$tree" >"$folder/$suite.log"
	kubernetes "$tree"
	owner "$tree"
	said=$("$program" doctor --root "$tree") # ends the script unless all is well
	printf '\n## %s (%s)\n\n```\n%s\n```\n' "$suite" "$(dpkg --print-architecture)" "$said" | tee -a "$document"
done
