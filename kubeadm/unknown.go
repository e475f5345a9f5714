package kubeadm

import (
	"reflect"
	"slices"
	"strings"

	yaml "go.yaml.in/yaml/v3"
)

// An UnknownField is a field of a document that its API version does not have. kubeadm warns of it and goes on without
// it.
type UnknownField struct {
	Line int
	// Path is the field's, such as "networking.podsubnet", and Nearest the field
	// of the same place with the most similar name; empty when none is similar.
	Path, Nearest string
	// Elsewhere is the kind of document that has a field of that name; empty when
	// Nearest is set.
	Elsewhere string
	// Lasting is set when that field cannot be changed once the cluster is there.
	Lasting bool
}

// UnknownFields lists them for the documents whose types this program carries: those
// of v1beta3 and v1beta4, and the kubelet's. The kubelet gets new fields with every
// release, so of its document only those are listed that are very similar to a known
// one, or another document's.
func (c *Config) UnknownFields() []UnknownField {
	if c == nil {
		return nil
	}
	var all []UnknownField
	for _, d := range c.docs {
		into := documentType(c.api(d), c.kind(d))
		if into == nil {
			continue
		}
		for _, u := range unknownFields(d.Content[0], reflect.TypeOf(into).Elem(), "") {
			if kind := c.fieldElsewhere(u.Path); kind != "" {
				u.Elsewhere, u.Nearest, u.Lasting = kind, "", lasting(u.Path)
			} else if c.kind(d) == kindKubelet &&
				(u.Nearest == "" || editDistance(strings.ToLower(u.Path), strings.ToLower(u.Nearest)) > 2) {
				continue
			}
			all = append(all, u)
		}
	}
	return all
}

// fieldElsewhere is the kind of document whose own field a path is, empty without one.
func (c *Config) fieldElsewhere(path string) (kind string) {
	for _, k := range []struct{ api, kind string }{
		{apiGroup + c.API(), c.own()}, {apiGroup + c.API(), kindCluster}, {kubeletAPI, kindKubelet},
	} {
		if into := documentType(k.api, k.kind); into != nil {
			if _, ok := jsonFields(reflect.TypeOf(into).Elem())[path]; ok {
				kind = k.kind
			}
		}
	}
	return kind
}

// Means reports whether a field of ClusterConfiguration is set, or was meant to be:
// under a name that kubeadm does not know and that is most similar to it, or in
// another document.
func (c *Config) Means(path ...string) bool {
	if c.Cluster(path...) != "" {
		return true
	}
	name := strings.Join(path, ".")
	return slices.ContainsFunc(c.UnknownFields(), func(u UnknownField) bool {
		return u.Nearest == name || u.Elsewhere == kindCluster && u.Path == name
	})
}

// unknownFields walks through a mapping beside the type that it is decoded into.
func unknownFields(n *yaml.Node, t reflect.Type, path string) []UnknownField {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	var all []UnknownField
	switch {
	case n.Kind == yaml.SequenceNode && t.Kind() == reflect.Slice:
		for _, item := range n.Content {
			all = append(all, unknownFields(item, t.Elem(), path)...)
		}
	case n.Kind == yaml.MappingNode && t.Kind() == reflect.Struct && !textual(t):
		fields := jsonFields(t)
		for i := 0; i+1 < len(n.Content); i += 2 {
			key, value := n.Content[i], n.Content[i+1]
			where := strings.TrimPrefix(path+"."+key.Value, ".")
			if key.Value == "<<" {
				all = append(all, unknownFields(value, t, path)...)
				continue
			}
			if field, ok := fields[key.Value]; ok {
				all = append(all, unknownFields(value, field, where)...)
				continue
			}
			u := UnknownField{Line: key.Line, Path: where}
			if near := nearest(key.Value, fields); near != "" {
				u.Nearest = strings.TrimPrefix(path+"."+near, ".")
				u.Lasting = lasting(u.Nearest)
			}
			all = append(all, u)
		}
	}
	return all
}

// lasting reports whether a field is one that a cluster keeps for good.
func lasting(path string) bool {
	switch path {
	case "controlPlaneEndpoint", "certificatesDir", "networking", "etcd", "encryptionAlgorithm":
		return true
	}
	return strings.HasPrefix(path, "networking.") || strings.HasPrefix(path, "etcd.")
}

// textual reports whether a type reads itself from a scalar, as durations do.
func textual(t reflect.Type) bool {
	_, ok := reflect.New(t).Interface().(interface{ UnmarshalJSON([]byte) error })
	return ok
}

// jsonFields are a struct's fields by the names that JSON has for them, those of
// embedded structs among them.
func jsonFields(t reflect.Type) map[string]reflect.Type {
	all := map[string]reflect.Type{}
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case name == "" && f.Anonymous:
			for inner, of := range jsonFields(f.Type) {
				all[inner] = of
			}
		case name != "" && name != "-":
			all[name] = f.Type
		}
	}
	return all
}

// nearest is the known name that a word was most likely meant to be: the same one
// in other letters, or one that a third of the letters at most tell apart.
func nearest(word string, known map[string]reflect.Type) string {
	best, distance := "", len(word)/3+1
	var names []string
	for name := range known {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if d := editDistance(strings.ToLower(word), strings.ToLower(name)); d < distance {
			best, distance = name, d
		}
	}
	return best
}

// editDistance counts the letters to put in, take out or exchange (Levenshtein).
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		before := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			above := row[j]
			cost := before
			if a[i-1] != b[j-1] {
				cost = 1 + min(before, above, row[j-1])
			}
			row[j], before = cost, above
		}
	}
	return row[len(b)]
}
