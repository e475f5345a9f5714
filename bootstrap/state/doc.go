// Package state owns what a bootstrap must not lose: where everything lies on the board
// ([Layout], which only names paths), kubeadm-arm's own folder, the lock that keeps a
// second run out, and the form in which a run is refused ([RefusedError]).
package state
