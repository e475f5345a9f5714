// Package kubeadm owns every fact about the real kubeadm: how each version
// behaves (facts.go, one table), where the binary is found, how it is run, which
// arguments `kubeadm init` takes and how its configuration documents are read
// and extended.
//
// No other package compares kubeadm versions: they ask for a [Behaviour]. The
// package runs kubeadm as a program; it never links kubeadm's commands or phases.
package kubeadm
