#!/bin/bash
# A real systemd starts with certificates that have expired: kubeadm-arm's units have to
# renew them before the kubelet starts, and to hold it while the clock is wrong.
#
#   systemd.sh TREE KUBEADM KUBEADM-ARM DRAWER UNITS [wrong-clock]
#
# TREE is a Debian with systemd, which stays as it is; UNITS the folder of the units.
# It needs root and cgroup v1's hierarchy of systemd. The clock of this machine stays
# as it is: a file from the future makes it a wrong one. The kubelet is a stand-in.
set -euo pipefail
if [[ -z ${INSIDE-} ]]; then
  group=/sys/fs/cgroup/systemd/drawer-$$
  out=$(mktemp)
  trap 'sleep 1; find "$group" -depth -type d -exec rmdir {} \; ; rm -f "$out"' EXIT
  mkdir -p "$group"
  (
    echo "$BASHPID" >"$group/cgroup.procs"
    INSIDE=1 OUT=$out exec timeout -s KILL 300 unshare --kill-child -m -p -f -C -n -u -i --mount-proc bash "$0" "$@"
  ) >/dev/null 2>&1 &
  for ((i = 0; i < 290; i++)); do
    ! grep -q '^END' "$out" || break
    sleep 1
  done
  { pkill -KILL -P "$!" || true; wait "$!" || true; } 2>/dev/null
  cat "$out"
  grep -q '^END 0' "$out"
  exit
fi

tree=$1 kubeadm=$2 arm=$3 drawer=$4 units=$5 wrong=${6-}
mount --make-rprivate /
work=$(mktemp -d)
mount -t tmpfs work "$work"
mkdir "$work"/{upper,work,root}
root=$work/root
mount -t overlay o -o "lowerdir=$tree,upperdir=$work/upper,workdir=$work/work" "$root"
install -m 755 "$kubeadm" "$root/usr/bin/kubeadm"
install -m 755 "$arm" "$root/usr/bin/kubeadm-arm"
install -m 755 "$drawer" "$root/usr/bin/drawer"
install -m 644 "$units"/kubeadm-arm*.service "$units"/kubeadm-arm*.timer "$root/usr/lib/systemd/system/"
printf '[Service]\nExecStart=/bin/sleep 10000\n' >"$root/usr/lib/systemd/system/kubelet.service"
wants=$root/etc/systemd/system/multi-user.target.wants
mkdir -p "$wants" "$root/etc/systemd/system/timers.target.wants" "$root/var/lib/kubelet/pki" "$root/var/log/journal"
rm -f "$wants"/{containerd,docker,networking,e2scrub_reap}.service
for unit in kubeadm-arm-certs kubeadm-arm-release kubelet; do ln -sf "/usr/lib/systemd/system/$unit.service" "$wants/"; done
ln -sf /usr/lib/systemd/system/kubeadm-arm-certs-clock.timer "$root/etc/systemd/system/timers.target.wants/"
cat >"$root/etc/c.yaml" <<'YAML'
apiVersion: kubeadm.k8s.io/v1beta4
kind: InitConfiguration
localAPIEndpoint: {advertiseAddress: 10.88.0.2}
nodeRegistration: {name: shed, criSocket: "unix:///run/containerd/containerd.sock"}
---
apiVersion: kubeadm.k8s.io/v1beta4
kind: ClusterConfiguration
kubernetesVersion: v1.37.2
encryptionAlgorithm: ECDSA-P256
YAML
for phase in "certs all" "kubeconfig all" "control-plane all" "etcd local"; do
  # shellcheck disable=SC2086
  chroot "$root" kubeadm init phase $phase --config /etc/c.yaml
done
chroot "$root" drawer --expire
[[ -z $wrong ]] || touch -d '+1 year' "$root/etc/fake-hwclock.data"
mount -t proc p "$root/proc"
mount -t sysfs -o ro s "$root/sys"
mount -t tmpfs r "$root/run"
mount --rbind /dev "$root/dev"
mount -t tmpfs c "$root/sys/fs/cgroup"
mkdir "$root/sys/fs/cgroup/systemd"
mount -t cgroup -o none,name=systemd,xattr cg "$root/sys/fs/cgroup/systemd"

# kubelet tells whether the stand-in runs.
kubelet() { chroot "$root" pgrep -f 'sleep 10000' >/dev/null; }
judge() {
  if [[ -n $wrong ]]; then
    until chroot "$root" kubeadm-arm status | grep 'kubelet is held'; do sleep 1; done
    sleep 5
    ! kubelet || { echo "the kubelet runs all the same"; return 1; }
    echo "five seconds later no kubelet runs; now the clock is right"
    touch "$root/etc/fake-hwclock.data"
  fi
  until kubelet; do sleep 1; done
  chroot "$root" kubeadm-arm certs status | tail -1
  chroot "$root" journalctl -o short-monotonic -u kubeadm-arm-certs -u kubelet --no-pager | cut -c1-120
  local renewed started
  renewed=$(chroot "$root" systemctl show -p ExecMainExitTimestampMonotonic --value kubeadm-arm-certs)
  started=$(chroot "$root" systemctl show -p ExecMainStartTimestampMonotonic --value kubelet)
  echo "the renewal ended $(((started - renewed) / 1000)) ms before the kubelet was started"
  chroot "$root" kubeadm-arm certs status | grep -qx 'Nothing to renew.' && ((renewed > 0 && renewed <= started))
}
(sleep 5; code=0; judge || code=$?; echo "END $code") >"$OUT" 2>&1 &
exec env container=lab chroot "$root" /lib/systemd/systemd --system --log-level=notice
