// Package manifests moves static pod manifests out of the kubelet's folder and back:
// staging and releasing in a run, at the board's later starts, and the systemd unit for
// these. It also keeps what kubeadm would lose: static pods of others, and the patches that
// an upgrade needs. The content of manifests is for package patch.
package manifests
