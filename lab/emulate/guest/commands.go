package main

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// The guest's words on its console, between the kernel's. The host's side knows
// them too.
const (
	said   = "BOARD> "
	done   = "BOARD. "
	failed = "BOARD! "
)

// result is how a command went. CPU and wall time are in seconds.
type result struct {
	Args       []string `json:"args"`
	ExitCode   int      `json:"exitCode"`         // 128+n for signal n, as in a shell
	Signal     string   `json:"signal,omitempty"` // what ended it, such as "illegal instruction"
	Stdout     string   `json:"stdout"`
	Stderr     string   `json:"stderr"`
	CPUSeconds float64  `json:"cpuSeconds"`
	Seconds    float64  `json:"seconds"`
}

// runCommands runs what /commands.json lists, and tells.
func runCommands() error {
	if err := syscall.Sethostname([]byte("board")); err != nil {
		return fmt.Errorf("set the hostname: %w", err)
	}
	text, err := os.ReadFile("/commands.json")
	if err != nil {
		return err
	}
	var commands [][]string
	if err := json.Unmarshal(text, &commands); err != nil {
		return fmt.Errorf("read /commands.json: %w", err)
	}
	// So that commands are found by their names.
	if err := os.Setenv("PATH", "/usr/local/bin:/usr/bin:/bin"); err != nil {
		return err
	}
	results := []result{}
	for _, args := range commands {
		results = append(results, run(args))
	}
	return tell(results)
}

// run runs a command and waits for it.
func run(args []string) result {
	r := result{Args: args}
	var out, errs bytes.Buffer
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=/root", "LANG=C.UTF-8"}
	cmd.Stdout, cmd.Stderr = &out, &errs
	began := time.Now()
	err := cmd.Run()
	r.Seconds = time.Since(began).Seconds()
	r.Stdout, r.Stderr = out.String(), errs.String()
	code, signal, started := ended(err)
	r.ExitCode, r.Signal = code, signal
	if !started {
		r.Stderr += err.Error() + "\n"
	}
	if s := cmd.ProcessState; s != nil {
		r.CPUSeconds = (s.UserTime() + s.SystemTime()).Seconds()
	}
	return r
}

// ended reads how a command went from its error: exit code, or 128+n and the
// signal's name, or 127 for one that could not be started.
func ended(err error) (code int, signal string, started bool) {
	var exit *exec.ExitError
	switch {
	case err == nil, errors.Is(err, exec.ErrWaitDelay):
		return 0, "", true
	case errors.As(err, &exit):
		if ws, ok := exit.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
			return 128 + int(ws.Signal()), ws.Signal().String(), true
		}
		return exit.ExitCode(), "", true
	}
	return 127, "", false
}

// tell writes the results to the console, packed and in short lines, since the
// kernel and a slow serial line garble what is long.
func tell(results []result) error {
	var packed bytes.Buffer
	zip := gzip.NewWriter(&packed)
	if err := json.NewEncoder(zip).Encode(results); err != nil {
		return err
	}
	if err := zip.Close(); err != nil {
		return err
	}
	text := base64.StdEncoding.EncodeToString(packed.Bytes())
	fmt.Println()
	for len(text) > 0 {
		n := min(64, len(text))
		fmt.Printf("%s%s\n", said, text[:n])
		text = text[n:]
	}
	return nil
}
