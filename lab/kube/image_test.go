package kube

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const imageList = `registry.k8s.io/kube-apiserver:v1.37.2
registry.k8s.io/kube-controller-manager:v1.37.2
registry.k8s.io/kube-scheduler:v1.37.2
registry.k8s.io/kube-proxy:v1.37.2
registry.k8s.io/coredns/coredns:v1.14.6
registry.k8s.io/pause:3.10.2
registry.k8s.io/etcd:3.7.0-0
`

func TestParseImageList(t *testing.T) {
	got, err := parseImageList(imageList)
	require.NoError(t, err)
	assert.Len(t, got, 7)
	assert.Equal(t, WantedImage{"registry.k8s.io/coredns/coredns:v1.14.6", "v1.14.6"}, got["coredns"])
	assert.Equal(t, "3.7.0-0", got["etcd"].tag)
	_, err = parseImageList("registry.k8s.io/pause:3.10.2\n")
	assert.ErrorContains(t, err, "no kube-apiserver among")
}

func TestImageHoldsItsProgram(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "etcd"), []byte("program"), 0o755))
	img, err := image(dir, "", "etcd", Target{"v1.37.2", "arm", "7"})
	require.NoError(t, err)
	config, err := img.ConfigFile()
	require.NoError(t, err)
	assert.Equal(t, []string{"arm", "v7", "linux"}, []string{config.Architecture, config.Variant, config.OS})
	files := tarFiles(t, mutate.Extract(img))
	assert.Equal(t, "program", files["usr/local/bin/etcd"])
	assert.Contains(t, files, "tmp")

	// An old etcd is probed by etcdctl in a shell.
	assert.NotContains(t, files, "bin/sh")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "etcdctl"), []byte("client"), 0o755))
	img, err = image(dir, "/", "etcd", Target{"v1.13.1", "amd64", ""})
	require.NoError(t, err)
	files = tarFiles(t, mutate.Extract(img))
	assert.Equal(t, "client", files["usr/local/bin/etcdctl"])
	assert.Contains(t, files, "bin/sh")

	_, err = image(dir, "", "pause", Target{"v1.37.2", "amd64", ""})
	assert.Error(t, err, "its program is missing")
}

func TestNetfilterComesWithItsLibraries(t *testing.T) {
	files := map[string]string{}
	require.NoError(t, addProgram("/", "bin/sh", files))
	names := map[string]bool{}
	for to, from := range files {
		names[filepath.Base(to)] = true
		assert.FileExists(t, from)
	}
	assert.True(t, names["libc.so.6"], "%v", files)
	loaders, err := filepath.Glob("/lib*/ld-linux*")
	require.NoError(t, err)
	require.NotEmpty(t, loaders)
	assert.True(t, names[filepath.Base(loaders[0])], "%v", files)

	assert.ErrorContains(t, addNetfilter(t.TempDir(), map[string]string{}, map[string]string{}), "extensions")
}

func tarFiles(t *testing.T, r io.Reader) map[string]string {
	files := map[string]string{}
	tr := tar.NewReader(r)
	for {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		require.NoError(t, err)
		var text bytes.Buffer
		_, err = io.Copy(&text, tr)
		require.NoError(t, err)
		files[h.Name] = text.String()
	}
}
