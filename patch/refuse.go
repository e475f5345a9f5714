package patch

import (
	"errors"
	"fmt"
	"strings"
)

// RefusedError says why a manifest is left untouched.
type RefusedError struct {
	// File is the manifest's path, empty when it came without one.
	File string
	// Line is where, counted from 1; 0 when the whole file is meant.
	Line int
	Why  string
	Help string
}

// Error is one line: file, line, what is wrong.
func (e *RefusedError) Error() string {
	var text strings.Builder
	text.WriteString("patch manifest")
	if e.File != "" {
		text.WriteString(" " + e.File)
	}
	if e.Line > 0 {
		fmt.Fprintf(&text, ": line %d", e.Line)
	}
	return text.String() + ": " + e.Why
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

// in names the file of an error.
func in(file string, err error) error {
	var refused *RefusedError
	if errors.As(err, &refused) {
		named := *refused
		named.File = file
		return &named
	}
	return fmt.Errorf("%s: %w", file, err)
}
