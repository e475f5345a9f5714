package patch

import (
	"regexp"
	"strconv"

	yaml "go.yaml.in/yaml/v3"
)

// maxMerges bounds how deep merge keys and aliases are followed: an alias may
// lead back to itself.
const maxMerges = 20

// real follows an alias to the node that it stands for.
func real(n *yaml.Node) *yaml.Node {
	for range maxMerges {
		if n == nil || n.Kind != yaml.AliasNode {
			break
		}
		n = n.Alias
	}
	return n
}

// child returns the value of a key, also one that comes by alias or merge key
// (yaml.org/type/merge.html). It is nil when the key is not there.
func child(m *yaml.Node, key string) *yaml.Node { return childWithin(m, key, maxMerges) }

func childWithin(m *yaml.Node, key string, depth int) *yaml.Node {
	m = real(m)
	if m == nil || m.Kind != yaml.MappingNode || depth == 0 {
		return nil
	}
	var merged []*yaml.Node
	for i := 0; i+1 < len(m.Content); i += 2 {
		k, v := m.Content[i], real(m.Content[i+1])
		switch {
		case k.Kind == yaml.ScalarNode && k.Value == key:
			return v
		case k.Tag == "!!merge" && v.Kind == yaml.SequenceNode:
			merged = append(merged, v.Content...)
		case k.Tag == "!!merge":
			merged = append(merged, v)
		}
	}
	for _, from := range merged {
		if v := childWithin(from, key, depth-1); v != nil {
			return v
		}
	}
	return nil
}

// value returns the scalar of a key, "" when it is not there or null.
func value(m *yaml.Node, key string) string {
	n := child(m, key)
	if n == nil || n.Kind != yaml.ScalarNode || isNull(n) {
		return ""
	}
	return n.Value
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }

// findShared collects the nodes below anchors.
func (d *document) findShared(n *yaml.Node, below bool) {
	below = below || n.Anchor != ""
	if below {
		d.shared[n] = true
	}
	for _, c := range n.Content {
		d.findShared(c, below)
	}
}

// alone refuses to change a node that may count in several places.
func (d *document) alone(n *yaml.Node, what string) error {
	if d.shared[n] {
		return refuse(n.Line, "write the repeated part out", "%s comes from an anchor, and a change would reach all its "+
			"aliases", what)
	}
	return nil
}

// doubled returns a key that occurs twice in a mapping.
func doubled(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.MappingNode {
		seen := make(map[string]bool, len(n.Content)/2)
		for i := 0; i < len(n.Content); i += 2 {
			k := n.Content[i]
			if k.Kind != yaml.ScalarNode {
				continue
			}
			if seen[k.Value] {
				return k
			}
			seen[k.Value] = true
		}
	}
	for _, c := range n.Content {
		if found := doubled(c); found != nil {
			return found
		}
	}
	return nil
}

// decimal is the one spelling of whole numbers that YAML 1.1, YAML 1.2 and JSON
// read alike: in some, 010 is eight.
var decimal = regexp.MustCompile(`^(0|-?[1-9][0-9]*)$`)

// number reads a whole number of 32 bits, as in the API's types.
func number(n *yaml.Node) (int, bool) {
	if n.Kind != yaml.ScalarNode || n.Tag != "!!int" || !decimal.MatchString(n.Value) {
		return 0, false
	}
	v, err := strconv.ParseInt(n.Value, 10, 32)
	return int(v), err == nil
}
