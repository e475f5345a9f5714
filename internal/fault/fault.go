// Package fault turns a panic into an error, so that a fault of the program ends as
// every other failure does: with what was begun put back, and one line that says what
// happened.
package fault

import (
	"fmt"
	"path/filepath"
	"runtime"
	"strings"
)

// Error is a panic that was caught.
type Error struct {
	// Value is what panic was called with, Where the place, as file:line.
	Value any
	Where string
}

func (e *Error) Error() string {
	return fmt.Sprintf("a fault in kubeadm-arm itself, at %s: %v", e.Where, e.Value)
}

// Hint says what can be done.
func (e *Error) Hint() string {
	return "please report this line and the command; see what was begun with: kubeadm-arm status"
}

// Catch is to be deferred. It puts a panic into err as an [*Error]. One of a goroutine
// that was started meanwhile is not caught.
func Catch(err *error) {
	p := recover()
	if p == nil {
		return
	}
	if e, ok := p.(*Error); ok {
		*err = e
		return
	}
	*err = &Error{p, where()}
}

// where is the place of the panic that is being caught: the first frame above the
// runtime's that is the program's.
func where() string {
	pcs := make([]uintptr, 64)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(3, pcs)])
	for {
		f, more := frames.Next()
		if !strings.HasPrefix(f.Function, "runtime.") && f.File != "" {
			return fmt.Sprintf("%s/%s:%d", filepath.Base(filepath.Dir(f.File)), filepath.Base(f.File), f.Line)
		}
		if !more {
			return "a place unknown"
		}
	}
}
