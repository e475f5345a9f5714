package doctor

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// setExecOpt sets an option in the list "exec-opts" of Docker's daemon.json
// (dockerd(8)), such as native.cgroupdriver=systemd.
type setExecOpt struct{ Key, Value string }

func (c setExecOpt) option() string { return c.Key + "=" + c.Value }

func (c setExecOpt) String() string { return `"exec-opts": ["` + c.option() + `"]` }

// jsonSpan is where a value stands in a JSON text.
type jsonSpan struct{ start, end int }

// execOpts is where daemon.json has its options: the object's opening brace, the
// list's opening bracket or -1, and the list's elements.
type execOpts struct {
	object, list int
	members      int
	options      []jsonSpan
}

// Apply leaves a byte order mark where it is.
func (c setExecOpt) Apply(text []byte) ([]byte, error) {
	if rest, ok := bytes.CutPrefix(text, []byte(byteOrderMark)); ok {
		return marked(c.Apply(rest))
	}
	if len(bytes.TrimSpace(text)) == 0 {
		return appendLine(nil, "{\n  "+c.String()+"\n}"), nil
	}
	var tree map[string]any
	if err := json.Unmarshal(text, &tree); err != nil {
		return nil, err
	}
	at, err := findExecOpts(text)
	if err != nil {
		return nil, err
	}
	put := func(from, to int, what string) []byte { return slices.Concat(text[:from], []byte(what), text[to:]) }
	quoted := strconv.Quote(c.option())
	list, _ := tree["exec-opts"].([]any)
	var after []byte
	same := slices.IndexFunc(list, func(v any) bool {
		s, _ := v.(string)
		key, _, ok := strings.Cut(s, "=")
		return ok && strings.EqualFold(strings.TrimSpace(key), c.Key)
	})
	switch {
	case same >= 0:
		after = put(at.options[same].start, at.options[same].end, quoted)
		list[same] = c.option()
	case at.list >= 0:
		if len(list) > 0 {
			quoted += ", "
		}
		after = put(at.list+1, at.list+1, quoted)
		list = slices.Concat([]any{c.option()}, list)
	default:
		line := "\n  " + c.String()
		if bytes.Contains(text, []byte("\r\n")) {
			line = "\r" + line
		}
		if at.members > 0 {
			line += ","
		}
		after = put(at.object+1, at.object+1, line)
		list = []any{c.option()}
	}
	tree["exec-opts"] = list
	var got map[string]any
	if err := json.Unmarshal(after, &got); err != nil || !reflect.DeepEqual(got, tree) {
		return nil, errors.New("it is written in a form that cannot be changed in place")
	}
	return after, nil
}

// findExecOpts walks through the tokens of daemon.json.
func findExecOpts(text []byte) (execOpts, error) {
	at := execOpts{object: -1, list: -1}
	d := json.NewDecoder(bytes.NewReader(text))
	depth, inList, wantKey, key := 0, false, true, ""
	for d.More() || depth > 0 {
		before := int(d.InputOffset())
		t, err := d.Token()
		if err != nil {
			return at, err
		}
		end := int(d.InputOffset())
		switch v := t.(type) {
		case json.Delim:
			switch v {
			case '{', '[':
				depth++
				if depth == 1 {
					at.object = end - 1
				} else if depth == 2 && v == '[' && key == "exec-opts" {
					at.list, inList = end-1, true
				}
			default:
				depth--
				inList = inList && depth >= 2
				wantKey = depth == 1
			}
			continue
		case string:
			if depth == 1 && wantKey {
				if v == "exec-opts" && at.list >= 0 {
					return at, fmt.Errorf("exec-opts stands twice")
				}
				key, wantKey = v, false
				at.members++
				continue
			}
		}
		if inList && depth == 2 {
			start := before + len(text[before:end]) - len(bytes.TrimLeft(text[before:end], ", \t\r\n"))
			at.options = append(at.options, jsonSpan{start, end})
		}
		if depth == 1 {
			wantKey = true
		}
	}
	if at.object < 0 {
		return at, errors.New("it is no JSON object")
	}
	return at, nil
}
