// Package bootstrap carries out a plan.Plan on the board. It walks the plan's steps with
// a journal, one file for each type of step, and knows how to resume, abort and undo a
// run. What a step needs is in the packages below: state (where everything lies, the
// lock), journal (the record of a run), manifests (staging and releasing), await (waiting
// by progress), podlog, and diagnose (what may explain a failure). With storage and certs
// it is the only package that changes the board.
package bootstrap
