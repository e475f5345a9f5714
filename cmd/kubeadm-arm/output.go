package main

import (
	"encoding/json"
	"fmt"
	"io"
	"time"

	"golang.org/x/sys/unix"
	"sigs.k8s.io/yaml"

	"github.com/kubeadm-arm/kubeadm-arm/bootstrap"
	"github.com/kubeadm-arm/kubeadm-arm/cmd/kubeadm-arm/screen"
	"github.com/kubeadm-arm/kubeadm-arm/doctor"
	"github.com/kubeadm-arm/kubeadm-arm/internal/printable"
	"github.com/kubeadm-arm/kubeadm-arm/plan"
	"github.com/kubeadm-arm/kubeadm-arm/storage"
)

// result is one line of JSON output.
type result struct {
	Kind    string           `json:"kind"`
	Event   *bootstrap.Event `json:"event,omitempty"`
	Plan    *plan.Plan       `json:"plan,omitempty"`
	Outcome *outcomeDoc      `json:"outcome,omitempty"`
	Storage *storage.Plan    `json:"storage,omitempty"`
	Report  string           `json:"report,omitempty"`
	Doctor  *doctor.Report   `json:"doctor,omitempty"`
}

// ownCost is the CPU time that this process has used, and its most resident memory in
// bytes, from getrusage(2): kubeadm's processes are not in it, and the kernel counts the
// memory in KiB.
func ownCost() (cpu time.Duration, peak int64) {
	var u unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &u) != nil {
		return 0, 0
	}
	// Maxrss is 32 bits wide on some architectures.
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()), int64(u.Maxrss) << 10 //nolint:unconvert
}

// outcomeDoc is the outcome in JSON, in seconds.
type outcomeDoc struct {
	Seconds  float64        `json:"seconds"`
	Restarts map[string]int `json:"restarts"`
	// OwnCPUSeconds and OwnPeakBytes are kubeadm-arm's own cost.
	OwnCPUSeconds float64 `json:"ownCPUSeconds"`
	OwnPeakBytes  int64   `json:"ownPeakBytes"`
	ClosingWords  string  `json:"closingWords"`
}

// writeJSON writes one line.
func writeJSON(w io.Writer, x any) error { return json.NewEncoder(w).Encode(x) }

// writeIndented writes a document.
func writeIndented(w io.Writer, x any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(x)
}

// jsonLines shows a run to machines. A line that cannot be written is not missed less by
// stopping.
type jsonLines struct{ out io.Writer }

func (j jsonLines) Line(string)             {} // what it says is in one of the objects
func (j jsonLines) Begin(r screen.Run)      { _ = writeJSON(j.out, result{Kind: "plan", Plan: &r.Plan}) }
func (j jsonLines) Event(e bootstrap.Event) { _ = writeJSON(j.out, result{Kind: "event", Event: &e}) }
func (j jsonLines) Stop()                   {}

// encodeYAML writes a value by way of JSON, where every character can be escaped: YAML
// refuses a text with control characters.
func encodeYAML(w io.Writer, x any) error {
	text, err := json.Marshal(x)
	if err == nil {
		text, err = yaml.JSONToYAML([]byte(printable.Text(string(text))))
	}
	if err != nil {
		return fmt.Errorf("write YAML: %w", err)
	}
	_, err = w.Write(text)
	return err
}
