// Package doctor names what on a board would stop Kubernetes, before kubeadm
// falls over it: facts in, findings out. It opens no file, starts no process and
// changes nothing; package hwdetect reads, the command shows.
//
// A finding says what was seen, what that means on a board of this kind, and the
// line that fixes it, ready to paste. Whatever a finding says is the owner's to
// do: no line is ever carried out.
package doctor
