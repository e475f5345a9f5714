// Package host reads how a board is set up: everything but its hardware that decides
// whether Kubernetes can run on it. A file of this package is named after what it
// reads. Nothing is changed, no program is started, and what cannot be read is left
// empty: a board that lacks a file is an ordinary board. What a board is, is package
// hwdetect's.
package host
