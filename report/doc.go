// Package report owns the board report: what one board is, how fast it was,
// what was decided from that, and how long each step of the bootstrap really
// took. It reads and writes reports as JSON and renders them for people.
//
// The JSON names its schema, "kubeadm-arm.report/v1", and is in base units:
// seconds, bytes, bytes per second, hertz. Fields are only ever added within a
// schema; a change of meaning makes a new one, and [Parse] goes on reading the
// old. It also reads a bare benchmark result.
//
// The package measures nothing and decides nothing.
package report
