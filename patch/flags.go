package patch

import (
	"slices"
	"strconv"
	"strings"
	"time"

	yaml "go.yaml.in/yaml/v3"
)

// commandLine is the container's command and args in one, as the component
// sees them.
type commandLine []argument

type argument struct {
	text string
	node *yaml.Node
	// list is the list that holds the argument, at its index.
	list  *yaml.Node
	index int
	// key is that list's name.
	key string
}

func (d *document) commandLine() commandLine {
	var all commandLine
	for _, key := range []string{"command", "args"} {
		list := child(d.container, key)
		if list == nil || list.Kind != yaml.SequenceNode {
			continue
		}
		for i, n := range list.Content {
			if n = real(n); n.Kind == yaml.ScalarNode {
				all = append(all, argument{n.Value, n, list, i, key})
			}
		}
	}
	// What follows -- is no flag.
	for i, w := range all {
		if w.text == "--" {
			return all[:i]
		}
	}
	return all
}

// flagOf splits --name=value. Underscores count as dashes in the components'
// names (k8s.io/component-base/cli/flag), and etcd takes one dash for two.
func flagOf(text string) (name, value string, hasValue bool) {
	if !strings.HasPrefix(text, "-") {
		return "", "", false
	}
	name, value, hasValue = strings.Cut(strings.TrimPrefix(strings.TrimPrefix(text, "-"), "-"), "=")
	return strings.ReplaceAll(name, "_", "-"), value, hasValue
}

// setting is a flag's value where it stands.
type setting struct {
	value string
	// prefix stands before the value in the node.
	prefix string
	node   *yaml.Node
	key    string
	// elsewhere says that the value comes from where the manifest does not
	// tell.
	elsewhere bool
}

// find returns the last setting of a flag, which is the one that counts. A
// switch has its value behind a =, or is true.
func (c commandLine) find(name, example string) (setting, bool) {
	for i := len(c) - 1; i >= 0; i-- {
		got, value, hasValue := flagOf(c[i].text)
		if got != name {
			continue
		}
		if hasValue {
			return setting{value: value, prefix: strings.TrimSuffix(c[i].text, value), node: c[i].node, key: c[i].key}, true
		}
		if example != "true" && example != "false" && i+1 < len(c) {
			return setting{value: c[i+1].text, node: c[i+1].node, key: c[i+1].key}, true
		}
		return setting{value: "true", prefix: c[i].text + "=", node: c[i].node, key: c[i].key}, true
	}
	return setting{}, false
}

// setting finds what counts for a flag: etcd reads its flags from the
// environment too, unless they are given (go.etcd.io/etcd/pkg/flags).
func (d *document) setting(words commandLine, f Flag) (setting, bool) {
	have, ok := words.find(f.Name, f.Value)
	if ok || d.component != "etcd" {
		return have, ok
	}
	name := "ETCD_" + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
	v := d.variable(name)
	if v == nil {
		return setting{}, false
	}
	if n := child(v, "value"); n != nil {
		return setting{value: n.Value, node: n, key: "env"}, true
	}
	return setting{node: v, key: "env", elsewhere: true}, true
}

// decision is what becomes of one flag.
type decision struct {
	Flag
	have   setting
	there  bool
	kept   bool
	change bool
}

func (a *applier) flags(flags []Flag) error {
	if len(flags) == 0 {
		return nil
	}
	words := a.d.commandLine()
	all := make([]decision, len(flags))
	for i, f := range flags {
		x := decision{Flag: f}
		x.have, x.there = a.d.setting(words, f)
		enough, err := x.enough()
		stays := x.there && (f.UserSet || x.have.elsewhere)
		if err != nil && !stays {
			return err
		}
		x.change, x.kept = !enough && !stays, !enough && stays
		all[i] = x
	}
	why := a.d.keepConstraints(words, all)
	for i, x := range all {
		switch {
		case x.kept:
			c := a.changeOf(words, x)
			if why[i] != "" {
				c.Reason = why[i] + "; " + c.Reason
			}
			a.keep(c)
		case x.change:
			a.changes = append(a.changes, a.changeOf(words, x))
		}
	}
	// New flags that come to stand at one place stand there in order.
	slices.SortStableFunc(all, func(a, b decision) int { return strings.Compare(a.text(), b.text()) })
	for _, x := range all {
		if !x.change {
			continue
		}
		if err := a.setFlag(words, x); err != nil {
			return err
		}
	}
	return nil
}

func (a *applier) changeOf(words commandLine, x decision) Change {
	key := x.have.key
	if at := words.place(x.Flag); key == "" && at != nil {
		key = at.key
	}
	return Change{Target: Target{Component: a.d.component, List: key, Flag: x.Name}, Old: x.have.value, New: x.Value,
		Reason: x.Reason}
}

// enough reports whether a flag needs no change.
func (x decision) enough() (bool, error) {
	if !x.there && x.Policy == IfPresent {
		return true, nil
	}
	if !x.there || x.have.elsewhere {
		return false, nil
	}
	if x.have.value == x.Value {
		return true, nil
	}
	switch x.Policy {
	case IfAbsent:
		return true, nil
	case Set:
		return false, nil
	}
	have, isTime, ok := amount(x.have.value)
	want, wantTime, wantOK := amount(x.Value)
	if !ok || !wantOK || isTime != wantTime {
		return false, refuse(x.have.node.Line, "give it a value like "+x.Value,
			"--%s is %q, which cannot be compared with %s", x.Name, x.have.value, x.Value)
	}
	return have >= want, nil
}

// amount reads a duration in seconds, or a number.
func amount(s string) (v float64, isTime, ok bool) {
	if n, err := strconv.ParseFloat(s, 64); err == nil {
		return n, false, true
	}
	t, err := time.ParseDuration(s)
	return t.Seconds(), true, err == nil
}

// setFlag changes a flag's value or adds the flag.
func (a *applier) setFlag(words commandLine, x decision) error {
	if x.there {
		return a.d.replaceText(&a.edits, x.have.node, x.have.prefix+x.Value)
	}
	at := words.place(x.Flag)
	if at == nil {
		return refuse(a.d.container.Line, "name the component's program and its flags in the container's command",
			"the container has no command with flags")
	}
	return a.d.insertItem(&a.edits, at.list, at.index, piece{[]string{plain(x.text())}, quoted(x.text())})
}

func (f Flag) text() string { return "--" + f.Name + "=" + f.Value }

// place is the argument before which a flag is added: the first flag that sorts
// after it, as kubeadm sorts them, else the last flag. Before a flag is always a
// safe place, behind one may stand its value.
func (c commandLine) place(f Flag) *argument {
	var at *argument
	for i, w := range c {
		if !strings.HasPrefix(w.text, "--") {
			continue
		}
		at = &c[i]
		if w.text > f.text() {
			break
		}
	}
	return at
}
