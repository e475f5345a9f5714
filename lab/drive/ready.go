package drive

// NodeReady is a function for scripts on a board with an API server, node_ready [NAME]: it
// succeeds and prints the node's line when the node (by default this board's) is Ready. What etcd
// has kept from before a power cut says Ready, too, so the kubelet has to have renewed its lease
// since $since, in seconds since 1970.
const NodeReady = `node_ready() {
	renewed=$(kubectl get lease --namespace kube-node-lease ${1:-$(hostname)} -o 'jsonpath={.spec.renewTime}' 2>/dev/null) &&
		test -n "$renewed" && test "$(date -d "$renewed" +%s)" -ge "$since" &&
		kubectl get nodes ${1:-$(hostname)} | grep -w Ready
}
`
