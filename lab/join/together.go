package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/kubeadm-arm/kubeadm-arm/lab/drive"
)

// deploy has a pod of works run on every board, and prints the address of its service and
// those of the pods, with their nodes.
func deploy() string {
	return `export KUBECONFIG=/etc/kubernetes/admin.conf
image=$(kubectl -n kube-system get deployment coredns -o jsonpath='{.spec.template.spec.containers[0].image}')
until kubectl get serviceaccount default >/dev/null 2>&1; do sleep 1; done
sed "s#IMAGE#$image#" <<'.' | kubectl apply -f - >/dev/null
` + drive.Works("DaemonSet") + `.
kubectl rollout status --timeout=10m daemonset/works >/dev/null
kubectl -n kube-system rollout status --timeout=10m deployment/coredns >/dev/null
echo service $(kubectl get service works -o jsonpath='{.spec.clusterIP}')
echo dns $(kubectl -n kube-system get service kube-dns -o jsonpath='{.spec.clusterIP}')
kubectl get pods -l app=works -o jsonpath='{range .items[*]}{.spec.nodeName}{" "}{.status.podIP}{"\n"}{end}'`
}

// asks is run on a board: the server's pod there asks, from its own network, all
// addresses that follow, and the service by its name. $1 is the address of DNS.
const asks = `echo nameserver $1 >/run/resolv.conf; shift
nsenter --net=/proc/$(pgrep -f /etc/works/Corefile | head -1)/ns/net unshare --mount bash -ec '
mount --bind /run/resolv.conf /etc/resolv.conf
for to in "$@"; do
	exec 3<>/dev/tcp/$to && printf "GET /health HTTP/1.0\r\n\r\n" >&3 && grep -q "^OK" <&3 || { echo "$to does not answer"; exit 1; }
	exec 3>&-
done
getent ahostsv4 works.default.svc.cluster.local' asks "$@" | awk 'NR == 1 {print $1}'`

// together proves that the boards are one cluster: a pod on each is asked by a pod on each
// other, by its own address, by that of the service often enough to reach all pods behind
// it, and by name. The boards are at full speed for it, since it is not timed.
func (c *cluster) together(ctx context.Context) error {
	for _, b := range c.boards {
		if err := b.Throttle(ctx, "--cpu", "max"); err != nil {
			return err
		}
	}
	out, err := c.on(ctx, c.boards[0], deploy())
	if err != nil {
		return fmt.Errorf("a pod on every board: %w: %s", err, reason(out))
	}
	service, dns, pods := parseDeployed(out)
	if service == "" || dns == "" || len(pods) != len(c.boards) {
		return fmt.Errorf("a pod on every board: found %q", out)
	}
	for _, b := range c.boards {
		var to []string
		for node, address := range pods {
			if node != b.Name {
				to = append(to, address+"/8080")
			}
		}
		for range 20 {
			to = append(to, service+"/80")
		}
		out, err := c.on(ctx, b, "set -- "+dns+" "+strings.Join(to, " ")+"\n"+asks)
		if got := reason(out); err != nil || got != service {
			return fmt.Errorf("a pod of %s asks the others: %v: %s", b.Name, err, got)
		}
		c.Answered = append(c.Answered, b.Name)
	}
	c.log.Printf("pods of all boards reach pods and the service, by name, too")
	if c.HA {
		return c.vote(ctx)
	}
	return nil
}

// parseDeployed reads what deploy prints.
func parseDeployed(out string) (service, dns string, pods map[string]string) {
	pods = map[string]string{}
	for _, line := range strings.Split(out, "\n") {
		switch f := strings.Fields(line); {
		case len(f) != 2:
		case f[0] == "service":
			service = f[1]
		case f[0] == "dns":
			dns = f[1]
		default:
			pods[f[0]] = f[1]
		}
	}
	return service, dns, pods
}

// vote counts etcd's members that may vote.
func (c *cluster) vote(ctx context.Context) error {
	out, err := voters(ctx, c.boards[0])
	if err != nil {
		return err
	}
	if c.Voters = len(strings.Fields(out)); c.Voters != len(c.boards) {
		return fmt.Errorf("etcd has %d voters, not %d: %s", c.Voters, len(c.boards), out)
	}
	if c.Tool == kubeadmArm {
		return c.leave(ctx)
	}
	return nil
}

// leave has the last board be reset, whose member the others must not count any more.
func (c *cluster) leave(ctx context.Context) error {
	last := c.boards[len(c.boards)-1]
	if out, err := c.on(ctx, last, c.program()+" reset --force"); err != nil {
		keepOutput(last.Name+"-reset", out)
		return fmt.Errorf("reset %s: %w: %s", last.Name, err, reason(out))
	}
	out, err := voters(ctx, c.boards[0])
	if err != nil {
		return err
	}
	if left := strings.Fields(out); len(left) != len(c.boards)-1 || slices.Contains(left, last.Name) {
		return fmt.Errorf("after the reset of %s etcd's voters are %s", last.Name, strings.Join(left, ", "))
	}
	c.Left = last.Name
	c.log.Printf("%s was reset and is no member of etcd any more", last.Name)
	return nil
}

// voters are the names of etcd's members that may vote.
func voters(ctx context.Context, b drive.Board) (string, error) {
	return b.Run(ctx, "sh", "-c", `cd /etc/kubernetes/pki/etcd && ETCDCTL_API=3 etcdctl --endpoints=https://127.0.0.1:2379 --cacert=ca.crt \
	--cert=server.crt --key=server.key member list | awk -F', ' '$6 == "false" {print $3}'`)
}
