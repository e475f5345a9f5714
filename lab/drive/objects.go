package drive

import (
	"context"
	"strings"
)

// Objects are the names of all objects in the cluster of a board with a control plane that are to
// outlast restarts and upgrades: no pods, no leases and events.
func (b Board) Objects(ctx context.Context) ([]string, error) {
	out, err := b.Run(ctx, "sh", "-c", `export KUBECONFIG=/etc/kubernetes/admin.conf
for i in $(seq 120); do kubectl get --raw /readyz >/dev/null 2>&1 && break; sleep 2; done
kubectl get $(kubectl api-resources --verbs=list -o name | grep -vE '^(pods|events|leases|replicasets|controllerrevisions|endpoint|jobs)' | paste -sd,) \
  -A --no-headers -o custom-columns=K:.kind,NS:.metadata.namespace,N:.metadata.name | tr -s ' ' | sort`)
	return strings.Split(strings.TrimSpace(out), "\n"), err
}

// Missing are those of the objects that there were before which are not there now.
func Missing(before, now []string) (all []string) {
	is := map[string]bool{}
	for _, o := range now {
		is[o] = true
	}
	for _, o := range before {
		if !is[o] {
			all = append(all, o)
		}
	}
	return all
}
