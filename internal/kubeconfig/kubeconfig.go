// Package kubeconfig reads kubeconfigs (k8s.io/client-go/tools/clientcmd/api/v1): what the
// current context names. It does not merge several files, nor follow the paths in one;
// client-go does, which is 10 MB.
package kubeconfig

import (
	"encoding/base64"
	"errors"
	"fmt"

	"sigs.k8s.io/yaml"
)

// File is a whole kubeconfig. It keeps the fields that are not read here, so that it can be
// changed and written again.
type File map[string]any

// Entry is one cluster or user of a kubeconfig.
type Entry map[string]any

// Parse reads a kubeconfig.
func Parse(text []byte) (f File, err error) {
	defer func() {
		if p := recover(); p != nil { // on some broken input the YAML reader panics
			f, err = nil, fmt.Errorf("yaml: %v", p)
		}
	}()
	err = yaml.Unmarshal(text, &f)
	return f, err
}

// Cluster returns the cluster of the current context.
func (f File) Cluster() (Entry, error) { return f.current("cluster") }

// OnlyCluster returns the cluster of the current context or, in a file without one such as
// cluster-info, the only cluster that there is.
func (f File) OnlyCluster() (Entry, error) {
	if text(f["current-context"]) != "" {
		return f.Cluster()
	}
	items, _ := f["clusters"].([]any)
	if len(items) != 1 {
		return nil, fmt.Errorf("it has %d clusters and no current-context", len(items))
	}
	item, _ := items[0].(map[string]any)
	about, ok := item["cluster"].(map[string]any)
	if !ok {
		return nil, errors.New("its cluster is empty")
	}
	return about, nil
}

// User returns the user of the current context.
func (f File) User() (Entry, error) { return f.current("user") }

// current returns what the current context names, a cluster or a user.
func (f File) current(kind string) (Entry, error) {
	current := text(f["current-context"])
	context, ok := named(f["contexts"], current, "context")
	switch {
	case !ok && current == "":
		return nil, errors.New("it has no current-context")
	case !ok:
		return nil, fmt.Errorf("it has no context %q, which current-context names", current)
	}
	name := text(context[kind])
	entry, ok := named(f[kind+"s"], name, kind)
	if !ok {
		return nil, fmt.Errorf("it has no %s %q, which the context %q names", kind, name, current)
	}
	return entry, nil
}

// named finds an item of one of the lists by its name.
func named(list any, name, field string) (Entry, bool) {
	items, _ := list.([]any)
	for _, i := range items {
		item, _ := i.(map[string]any)
		if item != nil && text(item["name"]) == name {
			found, ok := item[field].(map[string]any)
			return found, ok
		}
	}
	return nil, false
}

// Text returns a field, empty where the entry does not have it.
func (e Entry) Text(field string) string { return text(e[field]) }

// Data returns a field that holds base64, decoded; nil where the entry does not have it.
func (e Entry) Data(field string) ([]byte, error) {
	if e[field] == nil {
		return nil, nil
	}
	s, ok := e[field].(string)
	if !ok {
		return nil, fmt.Errorf("%s is not text in base64", field)
	}
	data, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", field, err)
	}
	return data, nil
}

// The fields of a user that hold its client certificate, in PEM.
const (
	CertData = "client-certificate-data"
	KeyData  = "client-key-data"
	CertFile = "client-certificate"
	KeyFile  = "client-key"
)

// KeyPair returns the client certificate and key that the user carries, in PEM; nil for
// what it does not have or names a file for.
func (e Entry) KeyPair() (cert, key []byte, err error) {
	if cert, err = e.Data(CertData); err != nil {
		return nil, nil, err
	}
	if key, err = e.Data(KeyData); err != nil {
		return nil, nil, err
	}
	return cert, key, nil
}

// CAs returns the cluster's certificate authorities, in PEM.
func (e Entry) CAs() ([]byte, error) { return e.Data("certificate-authority-data") }

func text(v any) string {
	s, _ := v.(string)
	return s
}
