package patch

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	yaml "go.yaml.in/yaml/v3"
)

// maxManifest bounds what is read. The kubelet's own bound for a static pod is
// 10 MiB (pkg/kubelet/config/file.go, maxConfigLength).
const maxManifest = 10 << 20

// document is a manifest as bytes and as nodes that point into them.
type document struct {
	text []byte
	// lines are the offsets of line starts.
	lines     []int
	pod       *yaml.Node
	component string
	container *yaml.Node
}

// parse reads one Pod manifest.
func parse(text []byte) (*document, error) {
	d := &document{text: text}
	if len(text) > maxManifest {
		return nil, refuse(0, "", "larger than %d MiB", maxManifest>>20)
	}
	if !utf8.Valid(text) {
		return nil, refuse(0, "save the file as UTF-8", "not UTF-8")
	}
	d.lines = append(d.lines, 0)
	for i, c := range text {
		if c == '\n' {
			d.lines = append(d.lines, i+1)
		}
	}
	dec := yaml.NewDecoder(bytes.NewReader(text))
	root, err := decode(dec)
	if errors.Is(err, io.EOF) {
		return nil, refuse(0, "", "empty")
	}
	if err != nil {
		return nil, refuse(lineOf(err), "mend the file, or have kubeadm write it again", "not YAML: %s", cleanYAML(err))
	}
	if more, err := decode(dec); err == nil && len(more.Content) > 0 && more.Content[0].Tag != "!!null" {
		return nil, refuse(more.Line, "keep one Pod per file: the kubelet reads the first document only", "more than one document")
	} else if err != nil && !errors.Is(err, io.EOF) {
		return nil, refuse(lineOf(err), "", "not YAML: %s", cleanYAML(err))
	}
	if len(root.Content) != 1 || root.Content[0].Kind != yaml.MappingNode {
		return nil, refuse(0, "", "not a Pod: no mapping at the top")
	}
	d.pod = root.Content[0]
	return d, d.check()
}

// check finds the component and its container, and refuses what cannot be
// edited byte by byte.
func (d *document) check() error {
	if kind := value(d.pod, "kind"); kind != "Pod" {
		return refuse(d.pod.Line, "", "not a Pod: kind is %q", kind)
	}
	if api := value(d.pod, "apiVersion"); api != "v1" {
		return refuse(d.pod.Line, "", "not a Pod: apiVersion is %q", api)
	}
	if n := anchored(d.pod); n != nil {
		return refuse(n.Line, "write the repeated part out", "anchors and aliases are not supported")
	}
	if n := doubled(d.pod); n != nil {
		return refuse(n.Line, "remove one of the two", "the key %q stands twice", n.Value)
	}
	meta := child(d.pod, "metadata")
	d.component = value(meta, "name")
	if !slices.Contains(components(), d.component) {
		// kubeadm labels its pods since the first version.
		if label := value(child(meta, "labels"), "component"); slices.Contains(components(), label) {
			d.component = label
		} else {
			return refuse(d.pod.Line, "only kubeadm's own control-plane manifests are rewritten", "%q is not a control-plane component", d.component)
		}
	}
	list := child(child(d.pod, "spec"), "containers")
	if list == nil || list.Kind != yaml.SequenceNode || len(list.Content) == 0 {
		return refuse(d.pod.Line, "", "no containers")
	}
	for _, c := range list.Content {
		if value(c, "name") == d.component {
			d.container = c
			return nil
		}
	}
	return refuse(list.Line, "", "no container called %s", d.component)
}

func components() []string {
	return []string{"etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"}
}

// decode reads one document. The YAML reader panics on some broken input.
func decode(dec *yaml.Decoder) (root *yaml.Node, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("yaml: %v", p)
		}
	}()
	root = &yaml.Node{}
	return root, dec.Decode(root)
}

var yamlLine = regexp.MustCompile(`line (\d+): `)

func lineOf(err error) int {
	if m := yamlLine.FindStringSubmatch(err.Error()); m != nil {
		n, _ := strconv.Atoi(m[1])
		return n
	}
	return 0
}

func cleanYAML(err error) string {
	return yamlLine.ReplaceAllString(strings.TrimPrefix(err.Error(), "yaml: "), "")
}

// child returns the value of a key, nil when it is not there.
func child(m *yaml.Node, key string) *yaml.Node {
	if m == nil || m.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(m.Content); i += 2 {
		if m.Content[i].Value == key {
			return m.Content[i+1]
		}
	}
	return nil
}

func value(m *yaml.Node, key string) string {
	n := child(m, key)
	if n == nil || n.Kind != yaml.ScalarNode || n.Tag == "!!null" {
		return ""
	}
	return n.Value
}

// anchored returns a node with an anchor or an alias.
func anchored(n *yaml.Node) *yaml.Node {
	if n.Anchor != "" || n.Kind == yaml.AliasNode {
		return n
	}
	for _, c := range n.Content {
		if a := anchored(c); a != nil {
			return a
		}
	}
	return nil
}

// doubled returns a key that stands twice in a mapping: which of the two counts
// differs between readers.
func doubled(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.MappingNode {
		seen := map[string]bool{}
		for i := 0; i < len(n.Content); i += 2 {
			if seen[n.Content[i].Value] {
				return n.Content[i]
			}
			seen[n.Content[i].Value] = true
		}
	}
	for _, c := range n.Content {
		if a := doubled(c); a != nil {
			return a
		}
	}
	return nil
}

// offset is where a node begins in the text. The reader counts columns in
// characters, and not the byte order mark.
func (d *document) offset(n *yaml.Node) (int, error) {
	if n.Line < 1 || n.Line > len(d.lines) {
		return 0, refuse(n.Line, "", "cannot find line %d", n.Line)
	}
	at := d.lines[n.Line-1]
	if n.Line == 1 && bytes.HasPrefix(d.text, []byte("\xef\xbb\xbf")) {
		at += 3
	}
	for range n.Column - 1 {
		if at >= len(d.text) {
			return 0, refuse(n.Line, "", "cannot find column %d", n.Column)
		}
		_, size := utf8.DecodeRune(d.text[at:])
		at += size
	}
	return at, nil
}

// span is the bytes of a scalar, quotes included. Only scalars that stand on
// one line without escapes are edited; others are refused.
func (d *document) span(n *yaml.Node) (from, to int, err error) {
	if from, err = d.offset(n); err != nil {
		return 0, 0, err
	}
	text := d.text[from:]
	for _, form := range []string{n.Value, `"` + n.Value + `"`, `'` + n.Value + `'`} {
		if n.Kind == yaml.ScalarNode && n.Value != "" && bytes.HasPrefix(text, []byte(form)) {
			return from, from + len(form), nil
		}
	}
	return 0, 0, refuse(n.Line, "write it as a plain value on one line", "%q is written in a way that cannot be edited in place", n.Value)
}

// eol is the document's line ending.
func (d *document) eol() string {
	if i := bytes.IndexByte(d.text, '\n'); i > 0 && d.text[i-1] == '\r' {
		return "\r\n"
	}
	return "\n"
}
