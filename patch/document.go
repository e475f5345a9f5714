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
	lines []int
	// shared holds the nodes below an anchor: what stands there may count in
	// other places too.
	shared    map[*yaml.Node]bool
	pod       *yaml.Node
	component string
	container *yaml.Node
}

// parse reads one Pod manifest of a control-plane component.
func parse(text []byte) (*document, error) {
	if len(text) > maxManifest {
		return nil, refuse(0, "name a manifest", "larger than %d MiB", maxManifest>>20)
	}
	if !utf8.Valid(text) {
		return nil, refuse(0, "save the file as UTF-8", "not UTF-8")
	}
	d := &document{text: text, lines: lineStarts(text), shared: map[*yaml.Node]bool{}}
	var err error
	if d.pod, err = onlyDocument(text); err != nil {
		return nil, err
	}
	if kind := value(d.pod, "kind"); kind != "Pod" {
		return nil, refuse(d.pod.Line, "name the manifest of a static pod", "not a Pod: kind is %q", kind)
	}
	if api := value(d.pod, "apiVersion"); api != "v1" {
		return nil, refuse(d.pod.Line, "name the manifest of a static pod", "not a Pod: apiVersion is %q", api)
	}
	if n := doubled(d.pod); n != nil {
		return nil, refuse(n.Line, "remove one of the two: programs differ in which counts", "the key %q occurs twice",
			n.Value)
	}
	d.findShared(d.pod, false)
	return d, d.findContainer()
}

// onlyDocument decodes text and refuses more than one document: which of them
// counts differs between readers.
func onlyDocument(text []byte) (*yaml.Node, error) {
	dec := yaml.NewDecoder(bytes.NewReader(text))
	var pod *yaml.Node
	for {
		n, err := decode(dec)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, notYAML(text, err)
		}
		if len(n.Content) != 1 || n.Content[0].Tag == "!!null" {
			continue
		}
		if pod != nil {
			return nil, refuse(n.Content[0].Line, "keep one Pod per file: the kubelet reads one only", "more than one document")
		}
		pod = n.Content[0]
	}
	if pod == nil {
		return nil, refuse(0, "have kubeadm write the file again", "empty")
	}
	if pod.Kind != yaml.MappingNode {
		return nil, refuse(pod.Line, "name the manifest of a static pod", "not a Pod: no mapping at the top")
	}
	return pod, nil
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

// notYAML says what the reader stumbled over. Tabs are the commonest cause and
// the hardest to see.
func notYAML(text []byte, err error) error {
	line := 0
	if m := yamlLine.FindStringSubmatch(err.Error()); m != nil {
		line, _ = strconv.Atoi(m[1])
	}
	why := yamlLine.ReplaceAllString(strings.TrimPrefix(err.Error(), "yaml: "), "")
	if !strings.Contains(why, "cannot start any token") && !strings.Contains(why, "tab character") {
		return refuse(line, "fix the file, or have kubeadm write it again", "not YAML: %s", why)
	}
	for i, l := range bytes.Split(text, []byte("\n")) {
		if indent := l[:len(l)-len(bytes.TrimLeft(l, " \t"))]; bytes.IndexByte(indent, '\t') >= 0 &&
			len(indent) < len(bytes.TrimRight(l, "\r")) {
			return refuse(i+1, "indent with spaces, YAML allows no tabs there",
				"not YAML, and a tab stands in the indentation: %s", why)
		}
	}
	return refuse(line, "fix the file, or have kubeadm write it again", "not YAML: %s", why)
}

func components() []string {
	return []string{"etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"}
}

// findContainer finds the component and its container.
func (d *document) findContainer() error {
	meta := child(d.pod, "metadata")
	d.component = value(meta, "name")
	if !slices.Contains(components(), d.component) {
		// Since its first version kubeadm labels its pods.
		label := value(child(meta, "labels"), "component")
		if !slices.Contains(components(), label) {
			return refuse(d.pod.Line, "only kubeadm's own control-plane manifests are rewritten",
				"%q is not a control-plane component", d.component)
		}
		d.component = label
	}
	list := child(child(d.pod, "spec"), "containers")
	if list == nil || list.Kind != yaml.SequenceNode || len(list.Content) == 0 {
		return refuse(d.pod.Line, "have kubeadm write the file again", "no containers")
	}
	for _, c := range list.Content {
		if c = real(c); c.Kind == yaml.MappingNode && value(c, "name") == d.component {
			d.container = c
			return nil
		}
	}
	return refuse(list.Line, "the component's container bears its name", "no container called %s", d.component)
}
