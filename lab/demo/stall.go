package main

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A stall keeps a board from working for a time, as a bad SD card does, a processor
// that is too hot, or a host that has turned to others. The zero value is none.
type stall struct {
	length time.Duration
	// share is what the board keeps of its cores, from 0 to less than 1.
	share float64
	// places are texts, with | between; as soon as the tool has printed one of them the
	// board is stalled, at each place once.
	places []string
}

// stallAtReady is printed when the node is Ready.
const stallAtReady = "node is Ready"

// parseStalls reads lengths such as 30s, or 1m@10% for a board that keeps a tenth of
// its cores. Every one of these stalls is for all places.
func parseStalls(lengths, places []string) ([]stall, error) {
	if len(places) == 0 || len(lengths) == 0 {
		return nil, errors.New("--for and --at belong together: want both")
	}
	var all []stall
	for _, text := range lengths {
		length, share, slowed := strings.Cut(text, "@")
		s := stall{places: places}
		var err error
		if s.length, err = time.ParseDuration(length); err != nil || s.length <= 0 {
			return nil, fmt.Errorf("--for %q: want a time such as 30s or 1m@10%%", text)
		}
		if slowed {
			percent, err := strconv.ParseFloat(strings.TrimSuffix(share, "%"), 64)
			if err != nil || percent <= 0 || percent >= 100 {
				return nil, fmt.Errorf("--for %q: want a share such as 10%%", text)
			}
			s.share = percent / 100
		}
		all = append(all, s)
	}
	return all, nil
}

func (s stall) String() string {
	how := "still"
	if s.share > 0 {
		how = fmt.Sprintf("slowed to %.0f %%", 100*s.share)
	}
	where := fmt.Sprintf("at each of %d places", len(s.places))
	if len(s.places) == 1 {
		first, _, _ := strings.Cut(s.places[0], "|")
		where = fmt.Sprintf("at %q", first)
	}
	return fmt.Sprintf("%s for %g s %s", how, s.length.Seconds(), where)
}

// environment are lab run's flags for bootstrapScript.
func (s stall) environment() []string {
	if s.length == 0 {
		return nil
	}
	return []string{"--env", "LAB_STALL_AT=" + strings.Join(s.places, "\n"), "--env", "LAB_STALL_FOR=" +
		s.length.String(), "--env", "LAB_STALL_SHARE=" + fmt.Sprint(s.share)}
}

// stallsSeen are the lines of the stalls that a board has had: its clock and the places.
func (d *demo) stallsSeen() ([]string, error) {
	out, err := d.onBoard(10*time.Minute, "sh", "-c", "! test -e /run/lab-stalled || cat /run/lab-stalled")
	if err != nil {
		return nil, fmt.Errorf("look at the board's stalls: %w: %s", err, out)
	}
	return slices.Collect(strings.Lines(out)), nil
}
