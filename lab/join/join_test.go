package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestReasonHasNoSecrets(t *testing.T) {
	const out = `[preflight] x
error execution phase kubelet-start: token abcdef.0123456789abcdef, key 3f0123456789abcdef3f0123456789abcdef3f0123456789abcdef3f01234567
To see the stack trace`
	assert.Equal(t, "error execution phase kubelet-start: token …, key …", reason(out))
	assert.Equal(t, "kubeadm-arm: no", reason("x\nkubeadm-arm: no\nhint: y\n"))
	assert.Equal(t, "last", reason("first\nlast\n"))
}

func TestParseDeployed(t *testing.T) {
	service, dns, pods := parseDeployed("service 10.96.1.2\ndns 10.96.0.10\nj-1 10.244.2.3\nj-2 10.244.3.4\n\n")
	assert.Equal(t, []string{"10.96.1.2", "10.96.0.10"}, []string{service, dns})
	assert.Equal(t, map[string]string{"j-1": "10.244.2.3", "j-2": "10.244.3.4"}, pods)
}

func TestDocumentHasMediansOfWhatWorked(t *testing.T) {
	all := []trial{
		{Tool: stock, Version: "v1", First: "10%", Others: "5%", Init: 80, Joins: []join{{Board: "j-2", Seconds: 10,
			ReadySeconds: 20}}},
		{Tool: stock, Version: "v1", First: "10%", Others: "5%", Init: 90, Joins: []join{{Board: "j-2", Seconds: 30,
			ReadySeconds: 40, Restarts: map[string]int{"kubelet": 2, "etcd": 0}}}},
		{Tool: stock, Version: "v1", First: "10%", Others: "5%", Failed: "j-2: a|b", Joins: []join{{Board: "j-2", Seconds: 99,
			Failed: "a|b"}}},
		{Tool: stock, Version: "v1", First: "10%", Others: "10%", HA: true, Failed: "init: x"},
	}
	text := document(all)
	assert.Contains(t, text, "| v1 | this machine's | 10% | 5% | stock | 2 of 3 | 85 | 20.0 | 30.0 | 0.0 | 0.0 | 2 |\n")
	assert.Contains(t, text, "| v1 | stock | 2 | a/b | 99.0 | 0.0 | none | none |\n")
	assert.Contains(t, text, "| v1 | stock | | init: x | | | | |\n")
	assert.Less(t, strings.Index(text, "## A worker"), strings.Index(text, "## Two more control planes"))
}
