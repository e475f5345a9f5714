package patch

import (
	yaml "go.yaml.in/yaml/v3"
)

// variable returns the entry of an environment variable, nil without one.
func (d *document) variable(name string) *yaml.Node {
	list := child(d.container, "env")
	if list == nil || list.Kind != yaml.SequenceNode {
		return nil
	}
	// The last of several counts (pkg/kubelet/container/helpers.go).
	for i := len(list.Content) - 1; i >= 0; i-- {
		if v := real(list.Content[i]); value(v, "name") == name {
			return v
		}
	}
	return nil
}

func (a *applier) env(vars []Env) error {
	var fresh []Env
	for _, v := range vars {
		c := Change{Target: Target{Component: a.d.component, Variable: v.Name}, New: v.Value, Reason: v.Reason}
		have := a.d.variable(v.Name)
		if have == nil {
			fresh = append(fresh, v)
			a.changes = append(a.changes, c)
			continue
		}
		if c.Old = value(have, "value"); c.Old != v.Value {
			a.keep(c)
		}
	}
	if len(fresh) == 0 {
		return nil
	}
	list := child(a.d.container, "env")
	if list == nil {
		return a.d.insertKey(&a.edits, a.d.container, "env", listOf(fresh))
	}
	if list.Kind != yaml.SequenceNode || len(list.Content) == 0 {
		return refuse(list.Line, "remove the empty env field", "env has no items to put others beside")
	}
	for _, v := range fresh {
		if err := a.d.insertItem(&a.edits, list, 0, v.piece()); err != nil {
			return err
		}
	}
	return nil
}

func (v Env) piece() piece {
	return piece{
		lines: []string{"name: " + plain(v.Name), "value: " + quoted(v.Value)},
		flow:  "{" + quoted("name") + ": " + quoted(v.Name) + ", " + quoted("value") + ": " + quoted(v.Value) + "}",
	}
}

// listOf is a list of variables, the items' dashes below the key, as kubeadm
// writes lists.
func listOf(vars []Env) piece {
	var list piece
	for i, v := range vars {
		p := v.piece()
		list.lines = append(list.lines, "- "+p.lines[0], "  "+p.lines[1])
		if i > 0 {
			list.flow += ", "
		}
		list.flow += p.flow
	}
	list.flow = "[" + list.flow + "]"
	return list
}
