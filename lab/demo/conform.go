package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/kubeadm-arm/kubeadm-arm/lab/drive"
)

// A check is one thing that a working cluster does, with the time it took.
type check struct {
	What    string  `json:"what"`
	Seconds float64 `json:"seconds"`
}

// noticed is when a node that fell silent must be known to be: the
// controller-manager's --node-monitor-grace-period (50 s since v1.32) and the
// period in which it looks, 5 s. No profile changes these.
const noticed = 55 * time.Second

// conformance are the checks, in order, each with the script that asks for it
// and waits until it is done.
var conformance = []struct{ what, script string }{
	{"a deployment comes up", `
image=$(kubectl -n kube-system get deployment coredns -o jsonpath='{.spec.template.spec.containers[0].image}')
sed "s#IMAGE#$image#" /root/works.yaml | kubectl apply -f -
kubectl rollout status --timeout=LIMIT deployment/works`},
	{"it scales to three", `
kubectl scale --replicas=3 deployment/works
kubectl rollout status --timeout=LIMIT deployment/works
test "$(kubectl get deployment works -o jsonpath='{.status.readyReplicas}')" = 3`},
	{"its service answers", `
address=$(kubectl get service works -o jsonpath='{.spec.clusterIP}')
for i in $(seq 60); do
  exec 3<>/dev/tcp/$address/80 && printf 'GET /health HTTP/1.0\r\n\r\n' >&3 && grep -q '^OK' <&3 && exit 0
  sleep 0.5
done
exit 1`},
	{"a crashed pod is started again", `
pod=$(kubectl get pods -l app=works -o jsonpath='{.items[0].metadata.name}')
uid=$(kubectl get pod $pod -o jsonpath='{.metadata.uid}')
killed=
for p in $(pgrep -x coredns); do
  if tr _ - </proc/$p/cgroup | grep -q $uid; then kill -KILL $p; killed=$p; fi
done
test -n "$killed"
kubectl wait --timeout=LIMIT --for=jsonpath='{.status.containerStatuses[0].restartCount}'=1 pod/$pod
kubectl wait --timeout=LIMIT --for=condition=Ready pod/$pod`},
	{"a deleted pod is replaced", `
pod=$(kubectl get pods -l app=works -o jsonpath='{.items[0].metadata.name}')
kubectl delete pod $pod
kubectl rollout status --timeout=LIMIT deployment/works
test "$(kubectl get pods -l app=works -o name | grep -vc $pod)" = 3`},
	{silent, `
pkill -STOP -x kubelet
kubectl wait --timeout=LIMIT --for=condition=Ready=Unknown node --all`},
	{"it is Ready again", `
pkill -CONT -x kubelet
kubectl wait --timeout=LIMIT --for=condition=Ready node --all`},
}

const silent = "a node that falls silent is noticed"

// conform proves that the cluster works, check by check.
func (d *demo) conform(r *run) error {
	put := d.board.Command(context.Background(), nil, "sh", "-c", "cat > /root/works.yaml")
	put.Stdin = strings.NewReader(drive.Works("Deployment"))
	if _, err := drive.Output(put); err != nil {
		return fmt.Errorf("conformance: %w", err)
	}
	for _, c := range conformance {
		if err := d.ask(r, c.what, c.script); err != nil {
			return fmt.Errorf("conformance: %w", err)
		}
		if took := r.Checks[len(r.Checks)-1].Seconds; c.what == silent && took > noticed.Seconds() {
			return fmt.Errorf("conformance: %s after %.0f s, promised are %.0f s", c.what, took, noticed.Seconds())
		}
	}
	return nil
}

// ordinaryPod has a pod without tolerations scheduled and run on the board, as on
// a control plane that is nobody else's. Its image is there: the one that the
// runtime holds every pod's namespaces with. Its namespace's account is the
// controller-manager's to make, which has just begun.
func (d *demo) ordinaryPod(r *run) error {
	return d.ask(r, "an ordinary pod is scheduled there and runs", `
test -z "$(kubectl get node -o jsonpath='{.items[*].spec.taints[?(@.key=="node-role.kubernetes.io/control-plane")]}')"
image=$(ctr -n k8s.io images list -q | grep '/pause:')
until kubectl get serviceaccount default >/dev/null 2>&1; do sleep 1; done
kubectl run ordinary --image="$image" --image-pull-policy=Never
kubectl wait --timeout=LIMIT --for=condition=Ready pod/ordinary
test "$(kubectl get pod ordinary -o jsonpath='{.spec.nodeName}')" = "$(hostname)"
kubectl get pod ordinary -o wide`)
}

// waitPhase has kubeadm's own wait-control-plane, which reads the manifests that
// were patched (an ordinary phase since v1.34), find the control plane healthy.
func (d *demo) waitPhase() error {
	var minor int
	if _, err := fmt.Sscanf(d.version, "v1.%d.", &minor); err != nil || minor < 34 || d.kind != "" {
		return nil
	}
	var out string
	for try := 1; ; try++ {
		start, before := time.Now(), readStandstill()
		var err error
		if out, err = d.onBoard(d.limit, "kubeadm", "init", "phase", "wait-control-plane"); err == nil {
			break
		}
		lost := readStandstill().minus(before)
		err = fmt.Errorf("kubeadm's own wait-control-plane: %w: %s\n%sthis machine meanwhile: %s", err, out, d.scene(),
			lost)
		// A machine that stood still says nothing about the board.
		if try == 2 || lost.seconds() < time.Since(start).Seconds()/4 {
			return err
		}
		d.log.Printf("%v; once more", err)
	}
	d.log.Printf("kubeadm's own wait-control-plane: %s", lastLine(out))
	return nil
}

// scene is what a control plane that stopped answering looks like: its containers, by
// their logs, the last lines of the API server's and etcd's, what runs, and what the
// board's share of the CPU was worth meanwhile.
func (d *demo) scene() string {
	out, err := d.onBoard(2*time.Minute, "sh", "-c", `
cd /var/log/pods && for log in $(find . -name '*.log' | sort); do echo "$log, last written $(date -r "$log" +%T)"; done; date +now:\ %T
for log in */kube-apiserver/*.log */etcd/*.log; do echo "$log:"; tail -n 6 "$log" | cut -c 1-240; done
ps -eo pid,stat,time,comm --sort=-time | head -n 12`)
	if err != nil {
		out += fmt.Sprintf("look at the board: %v\n", err)
	}
	if used, err := d.usage(); err == nil && len(used.Pace.Costs) > 0 {
		out += fmt.Sprintf("slices cost: %.2g\n", used.Pace.Costs)
	}
	return out
}

func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[len(lines)-1]
}
