package drive

import (
	"context"
	"encoding/json"
	"fmt"
)

// Usage is what a board had used at one moment: CPU seconds in all and of its
// living processes by program, bytes that these had written to disks.
type Usage struct {
	Name      string             `json:"name"`
	CPU       float64            `json:"cpuSeconds"`
	ByProgram map[string]float64 `json:"cpuSecondsByProgram"`
	Written   int64              `json:"writtenBytes"`
	// Uptime is an emulated board's clock, in seconds; Cores are its cores. Both are 0
	// of other boards.
	Uptime float64 `json:"uptimeSeconds"`
	Cores  int     `json:"cores"`
	// Pace is of a paced board.
	Pace struct {
		Costs []float64 `json:"costs"`
	} `json:"pace"`
}

// Status is what the board has used so far.
func (b Board) Status(ctx context.Context) (Usage, error) {
	var all []Usage
	out, err := Output(b.Lab.command(ctx, "status", "--json", "--name", b.Name))
	if err == nil {
		err = json.Unmarshal([]byte(out), &all)
	}
	if err != nil {
		return Usage{}, fmt.Errorf("lab status: %w", err)
	}
	if len(all) != 1 {
		return Usage{}, fmt.Errorf("lab status: no board %s", b.Name)
	}
	return all[0], nil
}

// Since returns the CPU seconds used between two moments: in all, and by
// program; "(ended)" are processes that were not there any more.
func (u Usage) Since(before Usage) (float64, map[string]float64) {
	total := u.CPU - before.CPU
	by, living := map[string]float64{}, 0.0
	for program, seconds := range u.ByProgram {
		if used := seconds - before.ByProgram[program]; used > 0 {
			by[program] = used
			living += used
		}
	}
	if rest := total - living; rest > 0.005 {
		by["(ended)"] = rest
	}
	return total, by
}
