package kubeadm

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"

	yaml "go.yaml.in/yaml/v3"
	kubelet "k8s.io/kubelet/config/v1beta1"
	"k8s.io/kubernetes/cmd/kubeadm/app/apis/kubeadm/v1beta3"
	"k8s.io/kubernetes/cmd/kubeadm/app/apis/kubeadm/v1beta4"
	sigsyaml "sigs.k8s.io/yaml"
)

// strict decodes a document into kubeadm's or the kubelet's own type where this program
// carries it (v1beta3, v1beta4; the kubelet's v1beta1), so that a wrong type is found before anything
// is started. Unknown fields pass: kubeadm itself only warns of them.
func strict(doc *yaml.Node, kind, api, file string) error {
	into := documentType(api, kind)
	if into == nil {
		return nil
	}
	var text bytes.Buffer
	enc := yaml.NewEncoder(&text)
	err := enc.Encode(doc)
	// As kubeadm decodes it: first to JSON, so that a number is none of the strings
	// that sigsyaml.Unmarshal would make of it.
	var data []byte
	if err == nil {
		data, err = sigsyaml.YAMLToJSON(text.Bytes())
	}
	if err == nil {
		err = json.Unmarshal(data, into)
	}
	if err == nil {
		return nil
	}
	field, why := explain(err)
	if m := badDuration.FindStringSubmatch(err.Error()); m != nil {
		if path, n := findValue(doc.Content[0], m[1], nil); n != nil {
			return &ConfigError{File: file, Line: n.Line, Field: kind + "." + strings.Join(path, "."),
				Err: fmt.Errorf("%q is no duration such as 4m0s", m[1])}
		}
	}
	line := doc.Content[0].Line
	if n := findWrong(doc.Content[0], strings.Split(field, "."), jsonKind(err)); n != nil {
		line = n.Line
	}
	return &ConfigError{File: file, Line: line, Field: strings.Trim(kind+"."+field, "."), Err: why}
}

// documentType is kubeadm's type for a document, nil where this program does not
// carry it.
func documentType(api, kind string) any {
	if api == kubeletAPI && kind == kindKubelet {
		return &kubelet.KubeletConfiguration{}
	}
	version, ok := strings.CutPrefix(api, apiGroup)
	if !ok {
		return nil
	}
	switch version + "/" + kind {
	case "v1beta4/" + kindInit:
		return &v1beta4.InitConfiguration{}
	case "v1beta4/" + kindCluster:
		return &v1beta4.ClusterConfiguration{}
	case "v1beta4/" + kindUpgrade:
		return &v1beta4.UpgradeConfiguration{}
	case "v1beta4/" + kindJoin:
		return &v1beta4.JoinConfiguration{}
	case "v1beta3/" + kindJoin:
		return &v1beta3.JoinConfiguration{}
	case "v1beta3/" + kindInit:
		return &v1beta3.InitConfiguration{}
	case "v1beta3/" + kindCluster:
		return &v1beta3.ClusterConfiguration{}
	}
	return nil
}

// jsonKind is what encoding/json says that it met, such as "bool".
func jsonKind(err error) string {
	if m := goField.FindStringSubmatch(err.Error()); m != nil {
		return m[1]
	}
	return ""
}

// findWrong finds the value of a kind of JSON's at a path whose lists are not
// counted: the first of that kind in any element.
func findWrong(n *yaml.Node, path []string, kind string) *yaml.Node {
	for n != nil && n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	switch {
	case n == nil:
		return nil
	case n.Kind == yaml.SequenceNode && (len(path) > 0 || kind != "array"):
		for _, item := range n.Content {
			if found := findWrong(item, path, kind); found != nil {
				return found
			}
		}
		return nil
	case len(path) == 0:
		tags := map[string][]string{
			"bool": {"!!bool"}, "number": {"!!int", "!!float"}, "string": {"!!str"}, "object": {"!!map"}, "array": {"!!seq"},
		}
		if slices.Contains(tags[kind], n.ShortTag()) {
			return n
		}
		return nil
	}
	return findWrong(find(n, path[0]), path[1:], kind)
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
			if p, found := findValue(n.Content[i+1], value, append(path[:len(path):len(path)],
				n.Content[i].Value)); found != nil {
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
	// encoding/json names embedded structs, which no file has.
	embedded := func(p string) bool { return p != "" && unicode.IsUpper(rune(p[0])) }
	parts := slices.DeleteFunc(strings.Split(field, "."), embedded)
	wants := strings.TrimPrefix(m[3], "v1.")
	if strings.HasPrefix(wants, "[]") {
		wants = "a list"
	}
	is := "a " + m[1]
	if m[1] == "object" {
		is = "a mapping"
	} else if m[1] == "array" {
		is = "a list"
	}
	return strings.Join(parts, "."), fmt.Errorf("is %s where kubeadm wants %s", is, wants)
}
