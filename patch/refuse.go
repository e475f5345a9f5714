package patch

import "fmt"

// RefusedError says why a manifest is left untouched.
type RefusedError struct {
	// Line is where, counted from 1; 0 when the whole file is meant.
	Line int
	Why  string
	Help string
}

func (e *RefusedError) Error() string {
	if e.Line > 0 {
		return fmt.Sprintf("patch manifest: line %d: %s", e.Line, e.Why)
	}
	return "patch manifest: " + e.Why
}

// Hint says what can be done.
func (e *RefusedError) Hint() string {
	if e.Help != "" {
		return e.Help
	}
	return "the file is unchanged; compare it with what `kubeadm init phase control-plane all` writes"
}

func refuse(line int, help, format string, args ...any) error {
	return &RefusedError{Line: line, Why: fmt.Sprintf(format, args...), Help: help}
}
