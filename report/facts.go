package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/kubeadm-arm/kubeadm-arm/bench"
)

// fact is one field of the board, its path in the JSON spelled as words.
type fact struct{ name, value string }

// facts flattens the board, in the order in which hardware detection wrote it.
// Lists of plain values become one fact; what is empty, 0 or false is left out.
func (r Report) facts() []fact {
	decoder := json.NewDecoder(bytes.NewReader(r.Board))
	decoder.UseNumber()
	var f flattener
	if len(r.Board) == 0 || f.value(decoder, nil) != nil {
		return nil
	}
	return f.facts
}

// flattener walks JSON token by token: maps would lose the order of the fields.
type flattener struct{ facts []fact }

func (f *flattener) value(d *json.Decoder, path []string) error {
	token, err := d.Token()
	if err != nil {
		return err
	}
	switch token {
	case json.Delim('{'):
		for d.More() {
			key, err := d.Token()
			if err != nil {
				return err
			}
			if err := f.value(d, append(path, words(fmt.Sprint(key)))); err != nil {
				return err
			}
		}
		_, err = d.Token()
		return err
	case json.Delim('['):
		return f.list(d, path)
	}
	f.add(path, plain(path, token))
	return nil
}

func (f *flattener) list(d *json.Decoder, path []string) error {
	var values []string
	for n := 1; d.More(); n++ {
		var item json.RawMessage
		if err := d.Decode(&item); err != nil {
			return err
		}
		inner := json.NewDecoder(bytes.NewReader(item))
		inner.UseNumber()
		if item[0] == '{' || item[0] == '[' {
			if err := f.value(inner, append(path, fmt.Sprint(n))); err != nil {
				return err
			}
			continue
		}
		token, err := inner.Token()
		if err != nil {
			return err
		}
		if text := plain(path, token); text != "" {
			values = append(values, text)
		}
	}
	f.add(path, strings.Join(values, ", "))
	_, err := d.Token()
	return err
}

func (f *flattener) add(path []string, value string) {
	if value != "" {
		f.facts = append(f.facts, fact{strings.Join(path, " "), value})
	}
}

// plain shows a single value, "" for what is not worth showing.
func plain(path []string, token json.Token) string {
	switch v := token.(type) {
	case string:
		return v
	case bool:
		if v {
			return "yes"
		}
	case json.Number:
		n, err := v.Float64()
		if err != nil || n == 0 {
			return ""
		}
		return quantity(strings.ToLower(strings.Join(path, " ")), v.String(), n)
	}
	return ""
}

// quantity shows bytes and hertz the way people read them; which they are only
// the name tells.
func quantity(name, text string, v float64) string {
	switch {
	case strings.HasSuffix(name, "hz"), strings.HasSuffix(name, "frequency"):
		return fmt.Sprintf("%.0f MHz", v/1e6)
	case strings.HasSuffix(name, "bytes"), v >= 1<<20 && (strings.Contains(name, "memory") || strings.Contains(name,
		"swap")):
		return bench.Format(v, "B")
	}
	return text
}

// words turns deviceTreeModel into "device tree model".
func words(key string) string {
	switch key {
	case "cpu":
		return "CPU"
	case "soc":
		return "SoC"
	case "arch":
		return "architecture"
	case "maxHz":
		return "maximum frequency"
	}
	var b strings.Builder
	runes := []rune(key)
	upper := func(i int) bool { return i >= 0 && i < len(runes) && 'A' <= runes[i] && runes[i] <= 'Z' }
	for i, c := range runes {
		abbreviation := upper(i) && (upper(i+1) || upper(i-1))
		switch {
		case c == '_' || c == '-':
			b.WriteByte(' ')
			continue
		case upper(i) && i > 0 && !upper(i-1):
			b.WriteByte(' ')
		}
		if upper(i) && !abbreviation {
			b.WriteString(strings.ToLower(string(c)))
		} else {
			b.WriteRune(c)
		}
	}
	return b.String()
}
