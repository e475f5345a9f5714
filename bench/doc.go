// Package bench measures how fast a board is: TLS handshakes as an API server
// does them, the cryptography under them, Go work of the kind an API server
// does while it starts, and the latency of a write that must be on the disk.
//
// It owns the measuring and the statistics over it. It decides nothing: what a
// figure means for a timeout is the planner's business. It does not find out
// what the board is either; it only reads what the kernel says about memory,
// throttling and the CPU taken by others, because those spoil a measurement.
//
// Two clocks are reported for everything that computes. CPU time (clock "cpu")
// tells the speed of the core itself and hardly moves when another process or a
// CFS quota takes the core away. Wall time (clock "wall") tells how long the
// board really needs. Their quotient is in [Result.Cores].
//
// Run changes process-wide settings of the Go runtime while it works
// (GOMAXPROCS and the GC percentage) and restores them. Do not run it beside
// other work of the same process: that work would be measured too.
package bench
