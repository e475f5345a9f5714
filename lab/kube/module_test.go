package kube

import (
	"archive/zip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestModuleOfBoard(t *testing.T) {
	got, err := boardModule([]byte(`module k8s.io/kubernetes

go 1.22.0

godebug default=go1.22

require (
	github.com/pinned/one v1.2.3
	k8s.io/api v0.0.0
	k8s.io/kubelet v0.0.0
	k8s.io/utils v0.0.0-20240711033017-18e509b52bc8
)

replace (
	github.com/modern-go/reflect2 => github.com/modern-go/reflect2 v1.0.1
	github.com/pinned/one => github.com/pinned/one v1.2.4
	k8s.io/api => ./staging/src/k8s.io/api
	k8s.io/kubelet => ./staging/src/k8s.io/kubelet
)
`), "v1.31.4")
	require.NoError(t, err)
	assert.Equal(t, `module board

go 1.22.0

require k8s.io/kubernetes v1.31.4

godebug default=go1.22

replace github.com/modern-go/reflect2 => github.com/modern-go/reflect2 v1.0.2

replace github.com/pinned/one => github.com/pinned/one v1.2.4

replace k8s.io/api => k8s.io/api v0.31.4

replace k8s.io/kubelet => k8s.io/kubelet v0.31.4
`, string(got))

	_, err = boardModule([]byte("nonsense {"), "v1.31.4")
	assert.ErrorContains(t, err, "read the go.mod of Kubernetes v1.31.4")
}

func TestTarget(t *testing.T) {
	assert.NoError(t, Target{"v1.37.2", "arm", "6"}.check())
	assert.NoError(t, Target{"v1.31.4", "amd64", ""}.check())
	for _, bad := range []Target{{"1.37.2", "amd64", ""}, {"v1.37", "amd64", ""}, {"v1.37.2", "mips", ""},
		{"v1.37.2", "arm", ""}, {"v1.37.2", "arm", "8"}, {"v1.37.2", "amd64", "7"}} {
		assert.Error(t, bad.check(), "%v", bad)
	}
	assert.NotEqual(t, Target{"v1.37.2", "arm", "6"}.String(), Target{"v1.37.2", "arm", "7"}.String())
}

func TestStamp(t *testing.T) {
	assert.Contains(t, stamp("v1.31.4"), " -X k8s.io/component-base/version.gitVersion=v1.31.4 ")
	assert.Contains(t, stamp("v1.31.4"), ".gitMinor=31 ")
}

// TestProgramInsideAModule: crictl's module is the parent of its package.
func TestProgramInsideAModule(t *testing.T) {
	const module, version = "example.com/tools", "v1.2.3"
	goMod := "module " + module + "\n\ngo 1.20\n"
	proxy := t.TempDir()
	dir := filepath.Join(proxy, module, "@v")
	require.NoError(t, os.MkdirAll(dir, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(dir, version+".info"), []byte(`{"Version":"`+version+`"}`), 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(dir, version+".mod"), []byte(goMod), 0o644))
	file, err := os.Create(filepath.Join(dir, version+".zip"))
	require.NoError(t, err)
	archive := zip.NewWriter(file)
	for name, text := range map[string]string{"go.mod": goMod,
		"cmd/say/main.go": "package main\n\nfunc main() { println(\"said\") }\n"} {
		w, err := archive.Create(module + "@" + version + "/" + name)
		require.NoError(t, err)
		_, err = w.Write([]byte(text))
		require.NoError(t, err)
	}
	require.NoError(t, archive.Close())
	require.NoError(t, file.Close())
	for name, value := range map[string]string{"GOPROXY": "file://" + proxy, "GOSUMDB": "off",
		"GOMODCACHE": filepath.Join(t.TempDir(), "mod"), "KUBEADM_ARM_CACHE": t.TempDir()} {
		t.Setenv(name, value)
	}
	t.Cleanup(func() {
		// Its files are read-only.
		assert.NoError(t, exec.Command("go", "clean", "-modcache").Run())
	})

	out := t.TempDir()
	require.NoError(t, buildModule(t.Context(), Target{Version: DefaultVersion, Arch: runtime.GOARCH}, out, "say",
		module, module+"/cmd/say", version))
	said, err := exec.Command(filepath.Join(out, "say")).CombinedOutput()
	require.NoError(t, err)
	assert.Equal(t, "said\n", string(said))
}

func TestProgramName(t *testing.T) {
	assert.Equal(t, "kubelet", programName("k8s.io/kubernetes/cmd/kubelet"))
	assert.Equal(t, "server", programName("go.etcd.io/etcd/server/v3"))
	assert.Equal(t, "pause", programName("pause"))
}
