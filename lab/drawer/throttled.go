package main

import "context"

// throttled is the same without systemd and without another clock, in a minute: the
// certificates of a throttled board are replaced by expired ones.
func (t *trial) throttled(ctx context.Context) error {
	const readyWithin = fresh + `since=$(date +%s)
for i in $(seq 300); do ! fresh || break; sleep 1; done; test "$i" -lt 300`
	const dead = `test "$(pgrep -c kube-apiserver || true)" = 0 && echo "no API server; the kubelet: $(grep -oE 'unable to load bootstrap kubeconfig.*' /var/log/kubelet.log | tail -1)"`
	err := t.step(ctx, "kubeadm-arm init",
		"kubeadm-arm init --config /etc/kubeadm-lab.yaml >/root/init.log 2>&1 || { tail -5 /root/init.log; exit 1; }\n"+
			readyWithin+"\nsystemctl disable kubelet; sync")
	if err != nil {
		return err
	}
	t.log.Printf("power cut; every certificate replaced by one that has expired")
	if err := t.board.Reboot(ctx); err != nil {
		return err
	}
	for _, s := range []struct{ what, script string }{
		{"stock: the kubelet starts, and half a minute later", "systemctl stop kubelet; drawer --expire; systemctl start kubelet; sleep 30\n" + dead},
		{"kubeadm certs renew all, the kubelet restarted, half a minute later",
			"kubeadm certs renew all 2>&1 | grep -iE 'falling back|done' | cut -c1-100; systemctl restart kubelet; sleep 30\n" + dead + "\nsystemctl stop kubelet"},
		{"what kubeadm-arm-certs.service does, then the kubelet", "drawer --expire; kubeadm-arm certs boot | tail -3; systemctl start kubelet\n" + readyWithin},
		{"expired while the cluster runs: certs renew restarts it, one component after the other",
			"drawer --expire; kubeadm-arm certs renew | grep -v renewed; kubectl get nodes; " + readyWithin},
		{"a bootstrap as for a worker is refused: this kubelet starts the API server that would answer it",
			"kubeadm token create --ttl 1h | kubeadm-arm certs renew --token-stdin || test $? = 33; " + readyWithin},
	} {
		if err := t.step(ctx, s.what, s.script); err != nil {
			return err
		}
	}
	return nil
}
