package patch

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"

	yamlv3 "go.yaml.in/yaml/v3"

	"github.com/kubeadm-arm/kubeadm-arm/internal/safefile"
)

// Owned reports what an owner's folder of kubeadm patches sets in the manifests,
// by component. What it sets is not ours to change.
type Owned map[string]*Touched

// Touched is what patches set in one component's manifest, each with the name
// of the file that does.
type Touched struct {
	// fields has probes and their fields: "startupProbe" for a probe that is
	// replaced as a whole, "startupProbe.failureThreshold" for one field.
	fields map[string]string
	flags  map[string]string
	env    map[string]string
	// command is the file that replaces the whole command line.
	command string
}

// Field returns the file that sets a probe's field, "" when none does.
func (o Owned) Field(component, probe, field string) string {
	t := o[component]
	if t == nil {
		return ""
	}
	if file := t.fields[probe]; file != "" {
		return file
	}
	return t.fields[probe+"."+field]
}

// Flag returns the file that sets a flag, "" when none does.
func (o Owned) Flag(component, flag string) string {
	t := o[component]
	if t == nil {
		return ""
	}
	if t.command != "" {
		return t.command
	}
	return t.flags[flag]
}

// Env returns the file that sets an environment variable, "" when none does.
func (o Owned) Env(component, name string) string {
	if t := o[component]; t != nil {
		return t.env[name]
	}
	return ""
}

// patchFile is the name of a patch: target, suffix, type
// (cmd/kubeadm/app/util/patches/patches.go, parseFilename).
var patchFile = regexp.MustCompile(`^(etcd|kube-apiserver|kube-controller-manager|kube-scheduler)[^.+\n]*(?:\+(strategic|merge|json))?\.(?:json|yaml)$`)

// maxPatches is how many files a folder of patches may hold.
const maxPatches = 10000

// ReadOwned reads a folder for `kubeadm init --patches`. Files that kubeadm
// would not apply to a control-plane component are passed over; one that cannot
// be read as a patch is an error that names it, because kubeadm would stop at it
// in the middle of its work.
func ReadOwned(dir string) (Owned, error) {
	entries, err := safefile.List(dir, maxPatches)
	if err != nil {
		return nil, fmt.Errorf("read the folder of patches: %w", err)
	}
	o := Owned{}
	for _, e := range entries {
		m := patchFile.FindStringSubmatch(e.Name())
		if m == nil || e.IsDir() {
			continue
		}
		path := filepath.Join(dir, e.Name())
		text, err := safefile.Read(path, maxManifest)
		if err != nil {
			return nil, fmt.Errorf("read the patch: %w", err)
		}
		if o[m[1]] == nil {
			o[m[1]] = &Touched{fields: map[string]string{}, flags: map[string]string{}, env: map[string]string{}}
		}
		if err := o[m[1]].add(path, m[1], m[2], text); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	}
	return o, nil
}

// add reads one file, which may hold several documents.
func (t *Touched) add(path, component, form string, text []byte) error {
	documents, err := splitDocuments(text)
	if err != nil {
		return err
	}
	for _, d := range documents {
		if form == "json" {
			if err := t.addOperations(path, d); err != nil {
				return err
			}
			continue
		}
		if err := t.addMerge(path, component, d); err != nil {
			return err
		}
	}
	return nil
}

func splitDocuments(text []byte) ([][]byte, error) {
	dec := yamlv3.NewDecoder(strings.NewReader(string(text)))
	var all [][]byte
	for {
		n, err := decode(dec)
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return nil, notYAML(text, err)
		}
		if len(n.Content) != 1 || n.Content[0].Tag == "!!null" {
			continue
		}
		d, err := yamlv3.Marshal(n)
		if err != nil {
			return nil, fmt.Errorf("write a patch's document: %w", err)
		}
		all = append(all, d)
	}
}

// operation is one operation of a JSON patch (RFC 6902).
type operation struct {
	Op    string `json:"op"`
	Path  string `json:"path"`
	Value any    `json:"value,omitempty"`
}

// fromYAML turns YAML into JSON as kubeadm does, and decodes it.
func fromYAML(text []byte, into any) error {
	j, err := yaml.YAMLToJSON(text)
	if err != nil {
		return fmt.Errorf("not a patch: %w", err)
	}
	if err := json.Unmarshal(j, into); err != nil {
		return fmt.Errorf("not a patch: %w", err)
	}
	return nil
}

func (t *Touched) addOperations(path string, text []byte) error {
	var all []operation
	if err := fromYAML(text, &all); err != nil {
		return err
	}
	for _, o := range all {
		if o.Op == "test" {
			continue
		}
		t.addPath(path, strings.Split(strings.TrimPrefix(o.Path, "/"), "/"), o.Value)
	}
	return nil
}

// addPath notes one JSON path; kubeadm's manifests have one container.
func (t *Touched) addPath(file string, path []string, value any) {
	switch {
	case len(path) < 4: // the container or something above it
		if path[0] == "" || slices.Equal(path[:min(2, len(path))], []string{"spec", "containers"}[:min(2, len(path))]) {
			t.container(file)
		}
	case path[0] != "spec" || path[1] != "containers":
	case path[3] == "command" || path[3] == "args":
		word, ok := value.(string)
		if name, _, _ := flagOf(word); ok && name != "" {
			t.flags[name] = file
			return
		}
		t.command = file
	case path[3] == "env":
		t.addEnv(file, value)
	case len(path) == 4:
		t.fields[path[3]] = file
	default:
		t.fields[path[3]+"."+path[4]] = file
	}
}

func (t *Touched) container(file string) {
	t.command = file
	for _, p := range []string{startupProbe, livenessProbe, readinessProbe} {
		t.fields[p] = file
	}
}

func (t *Touched) addEnv(file string, value any) {
	switch v := value.(type) {
	case []any:
		for _, x := range v {
			t.addEnv(file, x)
		}
	case map[string]any:
		if name, ok := v["name"].(string); ok {
			t.env[name] = file
		}
	}
}

// addMerge reads a strategic or JSON merge patch: the part of a Pod that is to
// be different.
func (t *Touched) addMerge(path, component string, text []byte) error {
	var pod struct {
		Spec struct {
			Containers []map[string]any `json:"containers"`
		} `json:"spec"`
	}
	if err := fromYAML(text, &pod); err != nil {
		return err
	}
	for _, c := range pod.Spec.Containers {
		if name, ok := c["name"].(string); ok && name != component {
			continue
		}
		for key, v := range c {
			switch key {
			case "command", "args":
				t.command = path
			case "env":
				t.addEnv(path, v)
			case startupProbe, livenessProbe, readinessProbe:
				fields, ok := v.(map[string]any)
				if !ok || fields["$patch"] != nil {
					t.fields[key] = path
					continue
				}
				for f := range fields {
					t.fields[key+"."+f] = path
				}
			}
		}
	}
	return nil
}
