package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestPassed(t *testing.T) {
	places := []string{"wait for etcd|[kubelet-start]", "wait for kube-apiserver", "took"}
	for text, want := range map[string]int{
		"":                                    0,
		"[certs]\n[kubelet-start] Starting\n": 1,
		"wait for etcd\nwait for kube-apiserver: 3 s\n": 2,
		"it took": 3, // the others lie behind
	} {
		assert.Equal(t, want, passed(text, places), text)
	}
	assert.Equal(t, 1, passed("it took", places[2:]))
}
