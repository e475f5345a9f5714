package bench

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"
)

// Schema names the form of Result as JSON. A reader refuses what it does not know.
const Schema = "kubeadm-arm.bench/v1"

// Result is one run. As JSON it is in base units throughout: seconds, bytes, hertz.
type Result struct {
	Schema  string    `json:"schema"`
	Started time.Time `json:"started"`
	// BootID is /proc/sys/kernel/random/boot_id: a result is of no use after the
	// next boot, when another power supply or kernel may be there.
	BootID string `json:"bootID,omitempty"`
	Short  bool   `json:"short"`
	// Budget, Elapsed and CPU are seconds: what was allowed, what passed, and the
	// CPU time that the benchmark itself cost.
	Budget  float64 `json:"budget"`
	Elapsed float64 `json:"elapsed"`
	CPU     float64 `json:"cpu"`
	// PeakMemory is the largest resident set of the process, in bytes.
	PeakMemory uint64 `json:"peakMemory"`
	Runtime    Go     `json:"runtime"`
	Cores      Cores  `json:"cores"`
	// Others is the part of all CPU time that other processes took, 0 to 1.
	Others   float64   `json:"others"`
	Samples  []Sample  `json:"samples"`
	Folders  []Folder  `json:"folders,omitempty"`
	Before   State     `json:"before"`
	After    State     `json:"after"`
	Warnings []Warning `json:"warnings,omitempty"`
}

// Go is what measured.
type Go struct {
	Version string `json:"version"` // such as go1.26.8
	Arch    string `json:"arch"`    // such as arm
	ARM     string `json:"arm,omitempty"`
	CPUs    int    `json:"cpus"`
}

// Cores is how much of the board's cores a program gets, measured as CPU time
// divided by wall time while it wants all it can have.
type Cores struct {
	// One is what one busy thread gets: 1 on a board of our own.
	One float64 `json:"one"`
	// All is what a busy program gets: the number of cores on a board of our own;
	// 0 where it was not tried, as in the short form.
	All float64 `json:"all"`
	// Quota is the smallest CFS quota of the cgroups we are in, 0 without one.
	Quota float64 `json:"quota,omitempty"`
	// Throttled is the part of the run during which a CFS quota stopped us, 0 to 1.
	Throttled float64 `json:"throttled,omitempty"`
}

// Folder is one place whose disk was measured. Its samples are
// named by DiskSample.
type Folder struct {
	Path       string `json:"path"`
	FileSystem string `json:"fileSystem"`
	// Free is in bytes, for unprivileged users.
	Free uint64 `json:"free"`
}

// Sample returns the one with that name and clock.
func (r Result) Sample(name, clock string) (Sample, bool) {
	for _, s := range r.Samples {
		if s.Name == name && s.Clock == clock {
			return s, true
		}
	}
	return Sample{}, false
}

// Expect is how many seconds one operation of a measure will take on one thread
// of this board as it was loaded: its CPU time, server and client together for
// a handshake, divided by the part of a core that a thread gets. Under a CFS
// quota this is steadier than the wall clock's median, which jumps with the
// number of standstills in each observation. It is for measures in
// SecondsPerOp; false without one.
func (r Result) Expect(name string) (float64, bool) {
	if s, ok := r.Sample(name, CPU); ok && s.Unit == SecondsPerOp && r.Cores.One > 0 {
		return s.Median / r.Cores.One, true
	}
	server, ok := r.Sample(name+"/"+serverSide, CPU)
	client, ok2 := r.Sample(name+"/"+clientSide, CPU)
	if ok && ok2 && r.Cores.One > 0 {
		return (server.Median + client.Median) / r.Cores.One, true
	}
	s, ok := r.Sample(name, Wall)
	return s.Median, ok && s.Unit == SecondsPerOp
}

// SameBoot reports whether the board has not been booted since the result was
// taken. Root is the root folder.
func (r Result) SameBoot(root fs.FS) bool {
	return r.BootID != "" && r.BootID == readBootID(root)
}

// StillHolds reports whether measuring again would say the same: the board has not
// been booted since, the cgroup's CPU quota is what it was, and nothing that passes
// disturbed the measurement. Root is the root folder.
func (r Result) StillHolds(root fs.FS) bool {
	now, _ := readCgroupCPU(root)
	if !r.SameBoot(root) || now.cores != r.Cores.Quota {
		return false
	}
	for _, w := range r.Warnings {
		switch w.Kind {
		case WarnDisturbed, WarnStolen, WarnThrottled, WarnUndervoltage:
			return false
		}
	}
	return true
}

func readBootID(root fs.FS) string {
	id, err := readLine(root, "proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return id
}

// SchemaError says that a file is JSON but not of a schema that this program reads.
type SchemaError struct {
	What      string // such as "benchmark result"
	Got, Want string
}

func (e *SchemaError) Error() string {
	if e.Got == "" {
		return fmt.Sprintf("read %s: it does not say which schema it has, want %q", e.What, e.Want)
	}
	return fmt.Sprintf("read %s: its schema is %q, want %q", e.What, e.Got, e.Want)
}

// Parse reads a Result as JSON. Truncated JSON is an io.ErrUnexpectedEOF,
// another schema a *SchemaError.
func Parse(text []byte) (Result, error) {
	const what = "benchmark result"
	schema, err := SchemaOf(what, text)
	if err != nil {
		return Result{}, err
	}
	if schema != Schema {
		return Result{}, &SchemaError{what, schema, Schema}
	}
	var r Result
	if err := json.Unmarshal(text, &r); err != nil {
		return Result{}, fmt.Errorf("read %s: %w", what, NotJSON(err))
	}
	if err := CheckRange(r); err != nil {
		return Result{}, fmt.Errorf("read %s: %w", what, err)
	}
	return r, nil
}

// SchemaOf returns the schema that JSON text names, "" if it names none. What
// the text should be is for the error.
func SchemaOf(what string, text []byte) (string, error) {
	var head struct {
		Schema string `json:"schema"`
	}
	err := json.Unmarshal(text, &head)
	var syntax *json.SyntaxError
	switch {
	case err == nil:
		return head.Schema, nil
	case len(bytes.TrimSpace(text)) == 0:
		return "", fmt.Errorf("read %s: it is empty: %w", what, io.ErrUnexpectedEOF)
	case errors.As(err, &syntax) && syntax.Offset >= int64(len(bytes.TrimSpace(text))) && !json.Valid(text):
		return "", fmt.Errorf("read %s: the JSON breaks off after %d bytes: %w", what, len(text), io.ErrUnexpectedEOF)
	}
	return "", fmt.Errorf("read %s: %w", what, NotJSON(err))
}

// NotJSON puts an error of package encoding/json into words for the owner of the
// file.
func NotJSON(err error) error {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		return fmt.Errorf("it is not JSON: byte %d: %w", syntax.Offset, err)
	case errors.As(err, &kind) && kind.Field == "":
		return fmt.Errorf("it is a JSON %s, want an object", kind.Value)
	case errors.As(err, &kind):
		return fmt.Errorf("its %s is a %s, which it cannot be", kind.Field, kind.Value)
	}
	return err
}
