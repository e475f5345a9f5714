// Package hwdetect finds out what a board is: CPU, memory, kernel, model, and
// what the programs on it were built for. It reads the kernel's files and
// decides nothing but one thing: whether a program would die on this CPU with
// an illegal instruction.
//
// Every source has a parser of its own, which takes bytes or an io.Reader and
// never fails on missing, doubled or unknown lines: boards lie, and old kernels
// leave things out. What could not be found out stands in [Board.Unknown].
package hwdetect
