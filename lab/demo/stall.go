package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// A stall keeps a board from working for a time, as a bad SD card does, a processor
// that is too hot, or a host that has turned to others. The zero value is none.
type stall struct {
	// at are texts, with | between; the first that the tool prints begins the stall.
	at     string
	length time.Duration
	// share is what the board keeps of its cores, from 0 to less than 1.
	share float64
}

// parseStalls reads lengths such as 30s, or 1m@10% for a board that keeps a tenth of
// its cores, and returns one stall for each of them and each place.
func parseStalls(lengths, places []string) ([]stall, error) {
	if len(places) == 0 {
		return nil, errors.New("--stall: want --stall-at, too")
	}
	var all []stall
	for _, text := range lengths {
		length, share, slowed := strings.Cut(text, "@")
		var s stall
		var err error
		if s.length, err = time.ParseDuration(length); err != nil || s.length <= 0 {
			return nil, fmt.Errorf("--stall %q: want a time such as 30s or 1m@10%%", text)
		}
		if slowed {
			percent, err := strconv.ParseFloat(strings.TrimSuffix(share, "%"), 64)
			if err != nil || percent <= 0 || percent >= 100 {
				return nil, fmt.Errorf("--stall %q: want a share such as 10%%", text)
			}
			s.share = percent / 100
		}
		for _, s.at = range places {
			all = append(all, s)
		}
	}
	return all, nil
}

func (s stall) String() string {
	how := "still"
	if s.share > 0 {
		how = fmt.Sprintf("slowed to %.0f %%", 100*s.share)
	}
	first, _, _ := strings.Cut(s.at, "|")
	return fmt.Sprintf("%s for %s at %q", how, s.length, first)
}

// environment are lab run's flags for bootstrapScript.
func (s stall) environment() []string {
	if s.length == 0 {
		return nil
	}
	return []string{"--env", "LAB_STALL_AT=" + s.at, "--env", "LAB_STALL_FOR=" + s.length.String(), "--env", "LAB_STALL_SHARE=" + fmt.Sprint(s.share)}
}
