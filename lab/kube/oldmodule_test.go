package kube

import (
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestModuleOfAnOldKubernetes(t *testing.T) {
	got, err := oldBoardModule([]byte(`module k8s.io/kubernetes

go 1.12

replace (
	github.com/google/cadvisor => github.com/google/cadvisor v0.33.2
	github.com/munnerz/goautoneg => github.com/munnerz/goautoneg v0.0.0-20120707110453-a547fc61f48d
	github.com/pinned/one => github.com/pinned/one v1.2.4
	k8s.io/api => ./staging/src/k8s.io/api
)
`), "v1.13.1", []string{"api"})
	require.NoError(t, err)
	text := string(got)
	for _, want := range []string{
		"require k8s.io/kubernetes v1.13.1\n",
		"require k8s.io/api v0.0.0\n",
		"replace k8s.io/api => ./staging/api\n",
		"replace github.com/pinned/one => github.com/pinned/one v1.2.4\n",
		"replace github.com/google/cadvisor => github.com/google/cadvisor v0.32.0\n",
		"replace bitbucket.org/ww/goautoneg => github.com/munnerz/goautoneg ",
	} {
		assert.Contains(t, text, want)
	}
	assert.NotContains(t, text, "replace github.com/munnerz/goautoneg", "a module cannot stand in for two")
	assert.NotContains(t, text, "v0.33.2")
	again, err := oldBoardModule([]byte("nonsense {"), "v1.13.1", nil)
	assert.ErrorContains(t, err, "read the go.mod of Kubernetes v1.15.12")
	assert.Nil(t, again)
}

func TestCopyWithoutTests(t *testing.T) {
	to := t.TempDir()
	require.NoError(t, copyWithoutTests(to, fstest.MapFS{"a/a.go": {Data: []byte("package a\n")}, "a/a_test.go": {},
		"a/BUILD": {}}))
	text, err := os.ReadFile(filepath.Join(to, "a", "a.go"))
	require.NoError(t, err)
	assert.Equal(t, "package a\n", string(text))
	assert.NoFileExists(t, filepath.Join(to, "a", "a_test.go"))
	assert.NoFileExists(t, filepath.Join(to, "a", "BUILD"))
}

func TestWhatOldVersionsNeed(t *testing.T) {
	assert.Contains(t, stamp("v1.13.1"), " -X k8s.io/kubernetes/pkg/version.gitVersion=v1.13.1 ")
	assert.Equal(t, newestOldEtcd, etcdVersion("3.2.24"))
	assert.Equal(t, newestOldEtcd, etcdVersion("3.4.13-0"))
	assert.Equal(t, "v3.5.15", etcdVersion("3.5.15-0"))
	assert.Equal(t, "v3.7.0", etcdVersion("3.7.0-0"))
	assert.True(t, needsEtcdctl("v1.15.12"))
	assert.False(t, needsEtcdctl("v1.17.0"))
	assert.True(t, NeedsCrictl("v1.13.1") && NeedsCrictl("v1.30.3") && !NeedsCrictl("v1.31.4"))
	assert.True(t, needsC("v1.13.1", "k8s.io/kubernetes/cmd/kubelet") &&
		!needsC("v1.31.4", "k8s.io/kubernetes/cmd/kubelet") && !needsC("v1.13.1", "k8s.io/kubernetes/cmd/kubeadm"))
	assert.True(t, isOldCoreDNS("1.2.6") && isOldCoreDNS("1.3.1") && !isOldCoreDNS("1.6.2") && !isOldCoreDNS("v1.14.6"))
}

func TestTaggedPackages(t *testing.T) {
	tree := t.TempDir()
	write := func(path, text string) {
		full := filepath.Join(tree, path)
		require.NoError(t, os.MkdirAll(filepath.Dir(full), 0o755))
		require.NoError(t, os.WriteFile(full, []byte(text), 0o644))
	}
	write("staging/api/core/v1/doc.go", "// +k8s:openapi-gen=true\npackage v1\n")
	write("staging/api/core/v1/types.go", "// +k8s:openapi-gen=true\npackage v1\n")
	write("staging/api/other/doc.go", "package other\n")
	write("kubernetes/pkg/version/types.go", "// +k8s:openapi-gen=true\npackage version\n")
	require.NoError(t, os.Symlink(filepath.Join(tree, "staging", "api"), filepath.Join(tree, "api")))
	got, err := taggedPackages(tree, "api")
	require.NoError(t, err)
	assert.Equal(t, []string{"k8s.io/api/core/v1"}, got)
	got, err = taggedPackages(tree, "kubernetes/pkg")
	require.NoError(t, err)
	assert.Equal(t, []string{"k8s.io/kubernetes/pkg/version"}, got)
	_, err = taggedPackages(tree, "none")
	assert.ErrorContains(t, err, "OpenAPI")
}
