package kubeadm

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"strings"

	yaml "go.yaml.in/yaml/v3"
	"k8s.io/kubernetes/cmd/kubeadm/app/apis/kubeadm/v1beta3"
	"k8s.io/kubernetes/cmd/kubeadm/app/apis/kubeadm/v1beta4"
	sigsyaml "sigs.k8s.io/yaml"
)

// strict decodes a kubeadm document into kubeadm's own type where this program
// carries it (v1beta3, v1beta4), so that a wrong type is found before anything
// is started. Unknown fields pass: kubeadm itself only warns of them.
func strict(doc *yaml.Node, kind, api, file string) error {
	version, ours := strings.CutPrefix(api, apiGroup)
	if !ours {
		return nil
	}
	var into any
	switch version + "/" + kind {
	case "v1beta4/" + kindInit:
		into = &v1beta4.InitConfiguration{}
	case "v1beta4/" + kindCluster:
		into = &v1beta4.ClusterConfiguration{}
	case "v1beta3/" + kindInit:
		into = &v1beta3.InitConfiguration{}
	case "v1beta3/" + kindCluster:
		into = &v1beta3.ClusterConfiguration{}
	default:
		return nil
	}
	var text bytes.Buffer
	enc := yaml.NewEncoder(&text)
	err := enc.Encode(doc)
	if err == nil {
		err = sigsyaml.Unmarshal(text.Bytes(), into)
	}
	if err == nil {
		return nil
	}
	field, why := explain(err)
	line := doc.Content[0].Line
	if m := badDuration.FindStringSubmatch(err.Error()); m != nil {
		if path, n := findValue(doc.Content[0], m[1], nil); n != nil {
			return &ConfigError{File: file, Line: n.Line, Field: kind + "." + strings.Join(path, "."), Err: fmt.Errorf("%q is no duration such as 4m0s", m[1])}
		}
	}
	if n := find(doc.Content[0], strings.Split(field, ".")...); n != nil {
		line = n.Line
	}
	return &ConfigError{File: file, Line: line, Field: strings.Trim(kind+"."+field, "."), Err: why}
}

// goField is the place that encoding/json names, such as "Go struct field
// InitConfiguration.localAPIEndpoint.bindPort of type int32".
var goField = regexp.MustCompile(`cannot unmarshal (\w+) into Go struct field (\S+) of type (\S+)`)

// badDuration is what package time says of a duration that is none.
var badDuration = regexp.MustCompile(`duration "(.*)"$`)

// findValue looks for a scalar by its text and returns where it stands.
func findValue(n *yaml.Node, value string, path []string) ([]string, *yaml.Node) {
	switch n.Kind {
	case yaml.ScalarNode:
		if n.Value == value {
			return path, n
		}
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			if p, found := findValue(n.Content[i+1], value, append(path[:len(path):len(path)], n.Content[i].Value)); found != nil {
				return p, found
			}
		}
	case yaml.SequenceNode:
		for _, item := range n.Content {
			if p, found := findValue(item, value, path); found != nil {
				return p, found
			}
		}
	}
	return nil, nil
}

// doubleKey returns the second of two equal keys in one mapping, or nil.
func doubleKey(n *yaml.Node) *yaml.Node {
	seen := map[string]bool{}
	for i, child := range n.Content {
		if n.Kind == yaml.MappingNode && i%2 == 0 {
			if seen[child.Value] {
				return child
			}
			seen[child.Value] = true
		}
		if found := doubleKey(child); found != nil {
			return found
		}
	}
	return nil
}

func explain(err error) (field string, why error) {
	m := goField.FindStringSubmatch(err.Error())
	if m == nil {
		return "", errors.New(strings.TrimPrefix(err.Error(), "error unmarshaling JSON: while decoding JSON: "))
	}
	_, field, _ = strings.Cut(m[2], ".")
	return field, fmt.Errorf("is a %s where kubeadm wants %s", m[1], strings.TrimPrefix(m[3], "v1."))
}
