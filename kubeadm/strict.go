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
	if n := find(doc.Content[0], strings.Split(field, ".")...); n != nil {
		line = n.Line
	}
	return &ConfigError{File: file, Line: line, Field: strings.TrimPrefix(kind+"."+field, "."), Err: why}
}

// goField is the place that encoding/json names, such as "Go struct field
// InitConfiguration.localAPIEndpoint.bindPort of type int32".
var goField = regexp.MustCompile(`cannot unmarshal (\w+) into Go struct field (\S+) of type (\S+)`)

func explain(err error) (field string, why error) {
	m := goField.FindStringSubmatch(err.Error())
	if m == nil {
		return "", errors.New(strings.TrimPrefix(err.Error(), "error unmarshaling JSON: while decoding JSON: "))
	}
	_, field, _ = strings.Cut(m[2], ".")
	return field, fmt.Errorf("is a %s where kubeadm wants %s", m[1], strings.TrimPrefix(m[3], "v1."))
}
