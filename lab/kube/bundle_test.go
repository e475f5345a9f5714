package kube

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestSameInputsSameArchive: a real program built twice, in two folders, and
// packed twice gives the same bytes, and they are a docker archive.
func TestSameInputsSameArchive(t *testing.T) {
	t.Setenv("KUBEADM_ARM_CACHE", t.TempDir())
	var archives, programs [][]byte
	for range 2 {
		dir, arm := t.TempDir(), Target{"v1.37.2", "arm", "6"}
		module, err := pauseModule()
		require.NoError(t, err)
		require.NoError(t, goBuild(t.Context(), module, arm, filepath.Join(dir, "pause"), "-s -w", "pause"))
		images := map[string]v1.Image{}
		for _, p := range []string{"pause", "etcd", "coredns", "kube-scheduler"} {
			if p != "pause" {
				require.NoError(t, os.WriteFile(filepath.Join(dir, p), []byte(p), 0o755))
			}
			images["registry.k8s.io/"+p+":1"], err = image(dir, "", p, arm)
			require.NoError(t, err)
		}
		to := filepath.Join(dir, "images.tar")
		require.NoError(t, writeArchive(to, images))
		text, err := os.ReadFile(to)
		require.NoError(t, err)
		archives = append(archives, text)

		info, err := describe(filepath.Join(dir, "pause"), arm)
		require.NoError(t, err)
		assert.Equal(t, []string{"arm", "6", "pause"}, []string{info.GOARCH, info.GOARM, info.Name})
		_, err = describe(filepath.Join(dir, "pause"), Target{"v1.37.2", "arm", "7"})
		assert.ErrorContains(t, err, "not for armv7")

		for _, p := range nodePrograms() {
			require.NoError(t, os.WriteFile(filepath.Join(dir, p), []byte(p), 0o755))
		}
		require.NoError(t, writePrograms(filepath.Join(dir, "programs.tar.gz"), dir))
		text, err = os.ReadFile(filepath.Join(dir, "programs.tar.gz"))
		require.NoError(t, err)
		programs = append(programs, text)

		tag, err := name.NewTag("registry.k8s.io/etcd:1")
		require.NoError(t, err)
		etcd, err := tarball.ImageFromPath(to, &tag)
		require.NoError(t, err, "another reader of docker archives")
		config, err := etcd.ConfigFile()
		require.NoError(t, err)
		assert.Contains(t, config.Config.Env, "ETCD_UNSUPPORTED_ARCH=arm")
	}
	assert.True(t, bytes.Equal(archives[0], archives[1]), "image archives differ")
	assert.True(t, bytes.Equal(programs[0], programs[1]), "archives of programs differ")

	r, err := gzip.NewReader(bytes.NewReader(programs[0]))
	require.NoError(t, err)
	files := tarFiles(t, r)
	assert.Equal(t, "kubelet", files["usr/bin/kubelet"])
	assert.Contains(t, files["usr/lib/systemd/system/kubelet.service.d/10-kubeadm.conf"], "$KUBELET_KUBEADM_ARGS")
	assert.Len(t, files, 7, "no folder whose mode the board's would take on")
}

func TestManifestOfArchive(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "pause"), []byte("x"), 0o755))
	img, err := image(dir, "", "pause", Target{"v1.37.2", "amd64", ""})
	require.NoError(t, err)
	to := filepath.Join(dir, "a.tar")
	require.NoError(t, writeArchive(to, map[string]v1.Image{"registry.k8s.io/pause:3.10": img,
		"registry.k8s.io/pause:3.9": img}))
	f, err := os.Open(to)
	require.NoError(t, err)
	defer f.Close()
	files := tarFiles(t, f)
	var m tarball.Manifest
	require.NoError(t, json.Unmarshal([]byte(files["manifest.json"]), &m))
	require.Len(t, m, 2)
	assert.Equal(t, []string{"registry.k8s.io/pause:3.10"}, m[0].RepoTags)
	assert.Len(t, files, 3, "one image under two names is there once")
}

func TestEnoughSpace(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "not", "there", "yet")
	require.NoError(t, enoughSpace(dir, 1))
	err := enoughSpace(dir, 1<<60)
	var full *NoSpaceError
	require.ErrorAs(t, err, &full)
	assert.Contains(t, err.Error(), dir)
}

// TestDebianRootSays what is missing where apt is not.
func TestDebianRootSays(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, _, err := debianRoot(context.Background(), Target{"v1.37.2", "arm", "7"}, "")
	var none *NoNetfilterError
	require.ErrorAs(t, err, &none)
	assert.ErrorContains(t, err, "no apt-get here")
}

func TestDebianOfATarget(t *testing.T) {
	assert.Equal(t, "armv6", cpuName(Target{"v1.37.2", "arm", "6"}))
	assert.Equal(t, "arm64", cpuName(Target{"v1.37.2", "arm64", ""}))
	assert.NotContains(t, imagePackages(Target{"v1.37.2", "arm", "6"}), "dash", "it would bring dpkg and tar")
	assert.Equal(t, "armel", debianArch(Target{"v1.37.2", "arm", "6"}))
	assert.Equal(t, "armhf", debianArch(Target{"v1.37.2", "arm", "7"}))
	assert.Equal(t, "arm64", debianArch(Target{"v1.37.2", "arm64", ""}))
}
