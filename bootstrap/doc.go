// Package bootstrap carries out a plan.Plan on the board: it runs the real
// kubeadm, patches and stages manifests, releases them one after the other and
// waits by progress. It is the only package that changes the board.
package bootstrap
