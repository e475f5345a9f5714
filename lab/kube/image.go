package kube

import (
	"archive/tar"
	"context"
	"fmt"
	"io"
	"maps"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"github.com/kubeadm-arm/kubeadm-arm/lab/cache"
	"github.com/kubeadm-arm/kubeadm-arm/lab/progress"
	"github.com/kubeadm-arm/kubeadm-arm/lab/tarfile"
)

// WantedImage is an image that a version of Kubernetes asks for.
type WantedImage struct{ Ref, tag string }

// WantedImages asks the kubeadm just built which images it would use. A
// kubeadm for another CPU cannot be asked; then one for this CPU is built.
func WantedImages(ctx context.Context, programs string, t Target) (map[string]WantedImage, error) {
	kubeadm := filepath.Join(programs, "kubeadm")
	if t.Arch != runtime.GOARCH {
		host := Target{Version: t.Version, Arch: runtime.GOARCH}
		if err := buildKubernetes(ctx, host, "kubeadm"); err != nil {
			return nil, err
		}
		dir, err := cache.Folder("programs", host.String())
		if err != nil {
			return nil, err
		}
		kubeadm = filepath.Join(dir, "kubeadm")
	}
	out, err := exec.CommandContext(ctx, kubeadm, "config", "images", "list", "--kubernetes-version",
		t.Version).Output()
	if err != nil {
		return nil, fmt.Errorf("ask kubeadm for its images: %w", err)
	}
	return parseImageList(string(out))
}

// parseImageList reads what kubeadm config images list prints: one image a
// line. The keys are the last parts of their names.
func parseImageList(out string) (map[string]WantedImage, error) {
	images := map[string]WantedImage{}
	for _, line := range strings.Fields(out) {
		path, tag, ok := strings.Cut(line, ":")
		if !ok {
			continue
		}
		images[filepath.Base(path)] = WantedImage{Ref: line, tag: tag}
	}
	for _, need := range []string{"kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy",
		"coredns", "pause", "etcd"} {
		if images[need].Ref == "" {
			return nil, fmt.Errorf("ask kubeadm for its images: no %s among %q", need, out)
		}
	}
	return images, nil
}

// ImageArchive makes one archive of all images, in the form of docker save, and
// returns its path. kube-proxy's image gets iptables and nft from the Debian
// below sysroot.
func ImageArchive(ctx context.Context, programs, sysroot string, t Target) (string, error) {
	unlock, err := cache.Lock(ctx, filepath.Join(programs, ".lock"))
	if err != nil {
		return "", err
	}
	defer unlock()
	wanted, err := WantedImages(ctx, programs, t)
	if err != nil {
		return "", err
	}
	archive := filepath.Join(programs, "images.tar")
	if t.Arch != runtime.GOARCH && sysroot != "" {
		// Beside one without iptables.
		archive = filepath.Join(programs, "images-netfilter.tar")
	}
	return archive, cache.Once(archive, func(to string) error {
		return progress.Step(ctx, "making container images of Kubernetes "+t.Version, func() error {
			images, err := imagesOf(programs, sysroot, t, wanted)
			if err != nil {
				return err
			}
			return writeArchive(to, images)
		})
	})
}

// imagesOf makes the wanted images, by their names.
func imagesOf(programs, sysroot string, t Target, wanted map[string]WantedImage) (map[string]v1.Image, error) {
	images := map[string]v1.Image{}
	for program, w := range wanted {
		img, err := image(programs, sysroot, program, t)
		if err != nil {
			return nil, fmt.Errorf("make image %s: %w", w.Ref, err)
		}
		images[w.Ref] = img
	}
	return images, nil
}

// image is one image with one layer: the program where its manifests expect it.
func image(programs, sysroot, program string, t Target) (v1.Image, error) {
	files := map[string]string{"usr/local/bin/" + program: filepath.Join(programs, program)}
	config := v1.Config{Entrypoint: []string{"/usr/local/bin/" + program},
		Env: []string{"PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}}
	links := map[string]string{}
	if program == "etcd" && t.Arch == "arm" {
		// Else it refuses to run (server/etcdmain/etcd.go).
		config.Env = append(config.Env, "ETCD_UNSUPPORTED_ARCH=arm")
	}
	switch program {
	case "etcd":
		if !needsEtcdctl(t.Version) {
			break
		}
		files["usr/local/bin/etcdctl"] = filepath.Join(programs, "etcdctl")
		if err := addProgram(sysroot, "bin/sh", files); err != nil {
			return nil, err
		}
	case "coredns":
		// The Deployment gives arguments only.
		files = map[string]string{"coredns": filepath.Join(programs, program)}
		config.Entrypoint = []string{"/coredns"}
	case "pause":
		files = map[string]string{"pause": filepath.Join(programs, program)}
		config.Entrypoint = []string{"/pause"}
	case "kube-proxy":
		if sysroot == "" {
			progress.Log("the kube-proxy image for %s holds no iptables; name a Debian of that CPU with --sysroot",
				t.Arch)
			break
		}
		if err := addNetfilter(sysroot, files, links); err != nil {
			return nil, err
		}
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) {
		r, w := io.Pipe()
		go func() { w.CloseWithError(writeLayer(w, files, links)) }()
		return r, nil
	}, tarball.WithCompressionLevel(1))
	if err != nil {
		return nil, err
	}
	img, err := mutate.AppendLayers(empty.Image, layer)
	if err != nil {
		return nil, err
	}
	file, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	file = file.DeepCopy()
	file.Architecture, file.OS, file.Config = t.Arch, "linux", config
	if t.Arch == "arm" {
		file.Variant = "v" + t.ARM
	}
	return mutate.ConfigFile(img, file)
}

func writeLayer(w io.Writer, files, links map[string]string) error {
	tw := tar.NewWriter(w)
	for _, dir := range []string{"tmp/", "etc/", "var/", "run/"} {
		mode := int64(0o755)
		if dir == "tmp/" {
			mode = 0o1777
		}
		if err := tw.WriteHeader(&tar.Header{Name: dir, Typeflag: tar.TypeDir, Mode: mode}); err != nil {
			return err
		}
	}
	for _, to := range slices.Sorted(maps.Keys(files)) {
		if err := tarfile.AddProgram(tw, to, files[to]); err != nil {
			return err
		}
	}
	for _, to := range slices.Sorted(maps.Keys(links)) {
		if err := tw.WriteHeader(&tar.Header{Name: to, Linkname: links[to], Typeflag: tar.TypeSymlink,
			Mode: 0o777}); err != nil {
			return err
		}
	}
	return tw.Close()
}
