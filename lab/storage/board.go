package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/kubeadm-arm/kubeadm-arm/lab/drive"
)

// boardSteps are those of the throttled board.
func (t *trial) boardSteps() []step {
	return []step{
		{"a board at " + t.cpu + " of a core, with a disk beside it", t.up},
		{"a dry run mounts and changes nothing", t.dryRun},
		{"init --storage: etcd and containerd on the disk", t.bootstrap},
		{"data in etcd", t.put},
		{"a second apply changes nothing", t.again},
		{"a reboot with the disk: the data is there",
			func() error { return errors.Join(t.board.Reboot(context.Background()), t.read()) }},
		{"a reboot without the disk: nothing begins on the card", t.bootWithout},
		{"disk back, etcd's folder not mounted: etcd fails clearly", t.bootHalf},
		{"all mounted: the control plane comes up by itself, the data is there", t.mountAll},
		{"undo --stop: back on the card, the data is there", t.undo},
	}
}

const image = "/root/disk.img"

func (t *trial) up() error {
	err := t.board.Up(context.Background(), "--kubernetes", t.version, "--cpu", t.cpu, "--pace", "--bin", t.kubeadmArm)
	if err != nil {
		return err
	}
	// A lab board has its images on a mount of this machine; a real one has them
	// on its card, in a plain folder.
	return t.sh(`truncate -s 4G ` + image + ` && mkfs.ext4 -q -F -L ` + label() + ` ` + image + ` && losetup --find ` +
		image + ` &&
		systemctl stop containerd && mkdir /root/aside && mount --bind /var/lib/containerd /root/aside &&
		umount /var/lib/containerd &&
		cp -a /root/aside/. /var/lib/containerd/ && umount /root/aside && systemctl start containerd &&
		printf '# mine\n' >/etc/fstab`)
}

// label is the file system's, at most 16 characters (mke2fs(8)), and this run's
// own: the machine sees it too.
func label() string { return "lab-" + strconv.Itoa(os.Getpid()) }

func (t *trial) spec() string { return "LABEL=" + label() }

func (t *trial) dryRun() error {
	before, err := t.on("sh", "-c", "cat /etc/fstab /proc/self/mountinfo; find /mnt /var/lib/kubeadm-arm 2>&1")
	if err != nil && before == "" {
		return err
	}
	out, err := t.on("kubeadm-arm", "init", "--config", drive.KubeadmConfig, "--storage", t.spec(), "--dry-run")
	if err != nil {
		return err
	}
	if !strings.Contains(out, "+/mnt/root/var/lib/etcd /var/lib/etcd none bind,") {
		return fmt.Errorf("the difference of fstab is missing: %s", out)
	}
	after, _ := t.on("sh", "-c", "cat /etc/fstab /proc/self/mountinfo; find /mnt /var/lib/kubeadm-arm 2>&1")
	if after != before {
		return fmt.Errorf("before: %s\nafter: %s", before, after)
	}
	return nil
}

func (t *trial) bootstrap() error {
	if _, err := t.on("kubeadm-arm", "init", "--config", drive.KubeadmConfig, "--storage", t.spec()); err != nil {
		return err
	}
	return t.sh(`for f in etcd containerd; do test "$(findmnt -no SOURCE -T /var/lib/$f | cut -d'[' -f1)" = "$(findmnt -no SOURCE /mnt/root)" || exit 1; done
		test -d /mnt/root/var/lib/etcd/member && kubeadm-arm storage guard`)
}

func (t *trial) put() error {
	return t.wait(5*time.Minute, `kubectl create configmap kept --from-literal=answer=42`)
}

// read wants the data, once the API server answers, and a kubelet that runs from now on. The
// board's clock is this machine's.
func (t *trial) read() error {
	return t.wait(15*time.Minute, fmt.Sprintf("since=%d\n", time.Now().Unix())+drive.NodeReady+
		`test "$(kubectl get configmap kept -o 'jsonpath={.data.answer}')" = 42 && node_ready`)
}

func (t *trial) again() error {
	return t.sh(`a=$(sha256sum /etc/fstab /var/lib/kubeadm-arm/storage.json); kubeadm-arm storage apply ` + t.spec() +
		` && test "$a" = "$(sha256sum /etc/fstab /var/lib/kubeadm-arm/storage.json)"`)
}

// bootWithout has the loop device go with its last mount when the power is cut.
func (t *trial) bootWithout() error {
	if err := t.sh(`losetup --detach $(losetup --associated ` + image + ` --noheadings --output NAME)`); err != nil {
		return err
	}
	// lab reboot would wait for containerd, which does not start without its
	// folder: it is ended once the board runs, and throttled as it was.
	ctx := context.Background()
	cmd := t.board.RebootCommand(ctx)
	if err := cmd.Start(); err != nil {
		return err
	}
	time.Sleep(time.Second)
	err := t.wait(time.Minute, "true")
	time.Sleep(2 * time.Second)
	err = errors.Join(err, cmd.Process.Kill())
	_ = cmd.Wait()
	err = errors.Join(err, t.board.Throttle(ctx, "--cpu", t.cpu))
	if err != nil {
		return err
	}
	return t.sh(`sleep 20; test ! -d /var/lib/etcd/member && test -e /var/lib/etcd/NOT-MOUNTED &&
		test -e /var/lib/containerd/NOT-MOUNTED || exit 1
		kubeadm-arm storage guard; test $? = 28 || exit 1
		kubeadm-arm storage status | grep -q 'is not there: disk or RAID are not connected' || exit 1
		! pgrep -x etcd && ! kubectl get --raw /readyz`)
}

func (t *trial) bootHalf() error {
	if err := t.sh(`losetup --find ` + image + ` && mount /mnt/root && mount /var/lib/containerd`); err != nil {
		return err
	}
	if err := t.wait(5*time.Minute, `grep -hq 'cannot access data directory: open /var/lib/etcd/.touch: operation not permitted' /var/log/pods/kube-system_etcd*/etcd/*.log`); err != nil {
		return err
	}
	return t.sh(`test "$(ls -A /var/lib/etcd | sort | tr '\n' ' ')" = 'NOT-MOUNTED member ' &&
		test -f /var/lib/etcd/member`)
}

func (t *trial) mountAll() error {
	if err := t.sh(`mount /var/lib/etcd && kubeadm-arm storage guard`); err != nil {
		return err
	}
	return t.read()
}

func (t *trial) undo() error {
	if _, err := t.on("kubeadm-arm", "storage", "undo", "--stop"); err != nil {
		return err
	}
	if err := t.sh(`test "$(cat /etc/fstab)" = '# mine' && test -d /var/lib/etcd/member && ! findmnt /var/lib/etcd &&
		! findmnt /mnt/root`); err != nil {
		return err
	}
	return t.read()
}
