package main

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// raidSteps are those of the emulated board. Only etcd of the control plane runs
// there, as kubeadm's static pod under the real kubelet: it is what the disk is
// for, and an emulated board needs minutes for the rest.
func (t *trial) raidSteps() []step {
	return []step{
		{"an emulated Banana Pi with five more disks", t.raidUp},
		{"RAID 5 with ext4 on it", t.makeArray},
		{"etcd on the card, with data", t.startEtcd},
		{"storage apply --stop: moved to the RAID, and started again", t.apply},
		{"restart: mounts before the kubelet, the data is there", t.restart},
		{"one disk gone: works, and status warns", t.degraded},
		{"three disks gone: the board starts, etcd does not, the reason is shown", t.gone},
		{"disks back: etcd starts by itself, the data is there", t.back},
		{"storage undo --stop: back on the card, the data is there", t.raidUndo},
	}
}

func (t *trial) raidUp() error {
	flags := []string{"--board", "bananapi", "--kubernetes", t.version, "--bin", t.kubeadmArm}
	for range 5 {
		flags = append(flags, "--disk", "128MiB")
	}
	return t.board.Up(context.Background(), flags...)
}

func (t *trial) makeArray() error {
	return t.sh(`mdadm --create /dev/md0 --run --level 5 --raid-devices 5 /dev/disk/by-id/virtio-lab-disk-[1-5] &&
		mkfs.ext4 -q -L raid /dev/md0 && mdadm --wait /dev/md0; mdadm --detail --scan >>/etc/mdadm/mdadm.conf &&
		udevadm settle && cat /proc/mdstat`)
}

// etcdRequest asks etcd's JSON gateway (etcd's api-grpc-gateway).
const etcdRequest = `curl -sS --max-time 20 --cacert /etc/kubernetes/pki/etcd/ca.crt --cert /etc/kubernetes/pki/apiserver-etcd-client.crt --key /etc/kubernetes/pki/apiserver-etcd-client.key https://127.0.0.1:2379/v3/kv/`

// The key kept with the value 42, in base64.
const (
	putKey = etcdRequest + `put -d '{"key":"a2VwdA==","value":"NDI="}' | grep -q revision`
	getKey = etcdRequest + `range -d '{"key":"a2VwdA=="}' | grep -q '"value":"NDI="'`
)

func (t *trial) startEtcd() error {
	// The kubelet dies without its configuration, and each of its starts costs
	// such a board half a minute. RSA keys would cost it minutes.
	err := t.sh(`set -e
		systemctl stop kubelet
		sed -i 's/^kind: ClusterConfiguration$/kind: ClusterConfiguration\nencryptionAlgorithm: ECDSA-P256/' /etc/kubeadm-lab.yaml
		for c in ca etcd-ca etcd-server etcd-peer etcd-healthcheck-client apiserver-etcd-client;
		do kubeadm init phase certs $c --config /etc/kubeadm-lab.yaml; done
		kubeadm init phase etcd local --config /etc/kubeadm-lab.yaml
		m=/etc/kubernetes/manifests/etcd.yaml
		grep -q ETCD_UNSUPPORTED_ARCH $m || sed -i 's/^    name: etcd$/    name: etcd\n    env:\n    - name: ETCD_UNSUPPORTED_ARCH\n      value: arm/' $m
		kubeadm init phase kubeconfig kubelet --config /etc/kubeadm-lab.yaml
		kubeadm init phase kubelet-start --config /etc/kubeadm-lab.yaml
		systemctl enable kubelet`)
	if err != nil {
		return err
	}
	return t.wait(10*time.Minute, putKey)
}

func (t *trial) apply() error {
	out, err := t.on("kubeadm-arm", "storage", "plan")
	if err != nil {
		return err
	}
	t.log.Printf("    the board's disks:\n%s", strings.TrimSpace(out))
	if _, err = t.on("kubeadm-arm", "storage", "apply", "LABEL=raid", "--folder", "/var/lib/etcd", "--folder",
		"/var/lib/docker", "--stop"); err != nil {
		return err
	}
	if err := t.onRAID(); err != nil {
		return err
	}
	return t.wait(10*time.Minute, getKey)
}

// onRAID wants etcd's folder on the array.
func (t *trial) onRAID() error {
	return t.sh(`test "$(findmnt -no SOURCE /var/lib/etcd)" = "$(findmnt -no SOURCE /mnt/root)[/var/lib/etcd]" &&
		findmnt -no SOURCE /mnt/root | grep -q /dev/md && kubeadm-arm storage guard`)
}

// mountsFirst wants the mounts active before the kubelet was started.
const mountsFirst = `at() { systemctl show -p "$2" --value "$1"; }
	for m in mnt-root.mount var-lib-etcd.mount var-lib-docker.mount; do
		test "$(at $m ActiveEnterTimestampMonotonic)" -gt 0 &&
		test "$(at $m ActiveEnterTimestampMonotonic)" -lt "$(at kubelet.service ExecMainStartTimestampMonotonic)" ||
		exit 1
	done`

func (t *trial) restart() error {
	if err := t.board.Reboot(context.Background(), "--orderly"); err != nil {
		return err
	}
	if err := t.wait(10*time.Minute, getKey); err != nil {
		return err
	}
	if err := t.onRAID(); err != nil {
		return err
	}
	out, err := t.on("sh", "-c", mountsFirst+`; for u in mnt-root.mount var-lib-etcd.mount kubelet.service;
		do echo "$u $(at $u ActiveEnterTimestampMonotonic) us after the kernel"; done`)
	t.log.Printf("    %s", strings.ReplaceAll(strings.TrimSpace(out), "\n", "; "))
	return err
}

func (t *trial) degraded() error {
	if err := t.board.Reboot(context.Background(), "--orderly", "--remove-disk", "3"); err != nil {
		return err
	}
	if err := t.wait(10*time.Minute, getKey); err != nil {
		return err
	}
	if err := t.onRAID(); err != nil {
		return err
	}
	return t.status("warning: the array is degraded")
}

// status shows the board's storage status and wants words in it.
func (t *trial) status(words ...string) error {
	out, err := t.on("kubeadm-arm", "storage", "status")
	if err != nil {
		return err
	}
	t.log.Printf("    storage status:\n%s", strings.TrimSpace(out))
	for _, w := range words {
		if !strings.Contains(out, w) {
			return fmt.Errorf("storage status does not say %q", w)
		}
	}
	return nil
}

func (t *trial) gone() error {
	if err := t.board.Reboot(context.Background(), "--orderly", "--remove-disk", "1", "--remove-disk",
		"2"); err != nil {
		return err
	}
	const words = "nothing is started: /var/lib/etcd is not on its disk"
	if err := t.wait(5*time.Minute, `journalctl -b -u kubelet | grep -q '`+words+`'`); err != nil {
		return err
	}
	out, err := t.on("sh", "-c", `journalctl -b -u kubelet -o cat | grep -m 2 -A 1 'nothing is started';
		systemctl is-active kubelet; systemctl is-active multi-user.target`)
	t.log.Printf("    journal of the kubelet, state of the kubelet, of the boot:\n%s", strings.TrimSpace(out))
	if err != nil {
		return err
	}
	if err := t.sh(`test "$(ls -A /var/lib/etcd | sort | tr '\n' ' ')" = 'NOT-MOUNTED member ' && ! pgrep -x etcd &&
		! touch /var/lib/etcd/x`); err != nil {
		return err
	}
	return t.status("is not there: disk or RAID are not connected or not assembled", "/var/lib/etcd is not on its disk")
}

func (t *trial) back() error {
	if err := t.board.Reboot(context.Background(), "--orderly", "--insert-disk", "1", "--insert-disk", "2",
		"--insert-disk", "3"); err != nil {
		return err
	}
	if err := t.wait(10*time.Minute, getKey); err != nil {
		return err
	}
	return t.onRAID()
}

func (t *trial) raidUndo() error {
	if _, err := t.on("kubeadm-arm", "storage", "undo", "--stop"); err != nil {
		return err
	}
	if err := t.sh(`! findmnt /var/lib/etcd && ! findmnt /mnt/root && ! grep -q kubeadm-arm /etc/fstab &&
		! ls /etc/systemd/system/*/20-kubeadm-arm-storage.conf`); err != nil {
		return err
	}
	return t.wait(10*time.Minute, getKey)
}
