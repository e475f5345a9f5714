// Command lab makes throwaway boards to try kubeadm-arm on: real Kubernetes in
// namespaces and cgroups of this machine, slowed to an old board's speed.
//
// It builds Kubernetes, etcd and CoreDNS from their Go modules, makes container
// images of them without a registry, and starts a real containerd and kubelet in
// a board of its own. It drives the programs that it is given and imports none
// of kubeadm-arm's packages.
package main
