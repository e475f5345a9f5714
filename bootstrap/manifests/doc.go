// Package manifests moves static pod manifests out of the kubelet's sight and back:
// staging and releasing in a run, at the board's later starts, and the systemd unit for
// these. What is in a manifest is package patch's.
package manifests
