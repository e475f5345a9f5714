package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// The values of flags: each parses what people write into base units.

type shareValue struct{ share *float64 }

func (v shareValue) String() string { return "" }
func (v shareValue) Type() string   { return "share" }
func (v shareValue) Set(s string) (err error) {
	*v.share, err = parseShare(s)
	return err
}

type bytesValue struct{ bytes *int64 }

func (v bytesValue) String() string { return "" }
func (v bytesValue) Type() string   { return "bytes" }
func (v bytesValue) Set(s string) (err error) {
	*v.bytes, err = parseBytes(s)
	return err
}

// bytesList collects the values of a flag that may be repeated.
type bytesList struct{ list *[]int64 }

func (v bytesList) String() string { return "" }
func (v bytesList) Type() string   { return "bytes" }
func (v bytesList) Set(s string) error {
	n, err := parseBytes(s)
	*v.list = append(*v.list, n)
	return err
}

type durationValue struct{ d *time.Duration }

func (v durationValue) String() string { return "" }
func (v durationValue) Type() string   { return "time" }
func (v durationValue) Set(s string) error {
	d, err := time.ParseDuration(s)
	if err != nil || d <= 0 {
		return fmt.Errorf("%q: want a time such as 40ms", s)
	}
	*v.d = d
	return nil
}

// parseShare reads "5%" or "0.05" as 0.05. 0 and "max" are no limit.
func parseShare(s string) (float64, error) {
	if s == "max" {
		return 0, nil
	}
	text, percent := strings.CutSuffix(s, "%")
	n, err := strconv.ParseFloat(text, 64)
	if percent {
		n /= 100
	}
	// The negated comparison also refuses NaN.
	if err != nil || !(n >= 0 && n <= 1024) {
		return 0, fmt.Errorf("%q: want a share of one core, such as 5%% or 0.05", s)
	}
	return n, nil
}

// parseBytes reads "512MiB", "1GiB" or a number of bytes.
func parseBytes(s string) (int64, error) {
	unit, text := int64(1), s
	for suffix, u := range map[string]int64{"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30} {
		if t, ok := strings.CutSuffix(s, suffix); ok {
			text, unit = t, u
		}
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n <= 0 || n > (1<<62)/unit {
		return 0, fmt.Errorf("%q: want a size such as 512MiB", s)
	}
	return n * unit, nil
}
