// Package manifests moves static pod manifests out of the kubelet's sight and back:
// staging and releasing in a run, at the board's later starts, and the systemd unit for
// these. It looks after what else kubeadm would lose: static pods of others, and the patches
// that an upgrade needs. What is in a manifest is package patch's.
package manifests
