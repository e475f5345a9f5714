package main

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sort"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// wanted is an image that a version of Kubernetes asks for.
type wantedImage struct{ ref, tag string }

// wantedImages asks the kubeadm just built which images it would use. A
// kubeadm for another CPU cannot be asked; then one for this CPU is built.
func wantedImages(programs string, t target) (map[string]wantedImage, error) {
	kubeadm := filepath.Join(programs, "kubeadm")
	if t.Arch != hostArch() {
		host := target{Version: t.Version, Arch: hostArch()}
		dir, err := folder("programs", host.String())
		if err != nil {
			return nil, err
		}
		kubeadm = filepath.Join(dir, "kubeadm")
		err = once(kubeadm, func(to string) error {
			module, err := folder("modules", t.Version)
			if err != nil {
				return err
			}
			say("building kubeadm %s for this machine", t.Version)
			return goBuild(module, host, to, "k8s.io/kubernetes/cmd/kubeadm", stamp(t.Version))
		})
		if err != nil {
			return nil, err
		}
	}
	out, err := exec.Command(kubeadm, "config", "images", "list", "--kubernetes-version", t.Version).Output()
	if err != nil {
		return nil, fmt.Errorf("ask kubeadm for its images: %w", err)
	}
	images := map[string]wantedImage{}
	for _, line := range strings.Fields(string(out)) {
		path, tag, ok := strings.Cut(line, ":")
		if !ok {
			continue
		}
		images[filepath.Base(path)] = wantedImage{ref: line, tag: tag}
	}
	for _, need := range []string{"kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy", "coredns", "pause", "etcd"} {
		if images[need].ref == "" {
			return nil, fmt.Errorf("ask kubeadm for its images: no %s among %q", need, out)
		}
	}
	return images, nil
}

// imageArchive makes one archive of all images, in the form of `docker save`,
// and returns its path and the name of the pause image.
func imageArchive(programs string, t target) (archive, pause string, err error) {
	wanted, err := wantedImages(programs, t)
	if err != nil {
		return "", "", err
	}
	archive = filepath.Join(programs, "images.tar")
	err = once(archive, func(to string) error {
		say("making container images of Kubernetes %s", t.Version)
		images := map[name.Reference]v1.Image{}
		for program, w := range wanted {
			ref, err := name.NewTag(w.ref)
			if err != nil {
				return fmt.Errorf("make image %s: %w", w.ref, err)
			}
			if images[ref], err = image(programs, program, t); err != nil {
				return fmt.Errorf("make image %s: %w", w.ref, err)
			}
		}
		return tarball.MultiRefWriteToFile(to, images)
	})
	return archive, wanted["pause"].ref, err
}

// image is one image with one layer: the program where its manifests expect it.
func image(programs, program string, t target) (v1.Image, error) {
	files := map[string]string{"usr/local/bin/" + program: filepath.Join(programs, program)}
	config := v1.Config{Entrypoint: []string{"/usr/local/bin/" + program}, Env: []string{"PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}}
	links := map[string]string{}
	switch program {
	case "coredns":
		// The Deployment gives arguments only.
		files = map[string]string{"coredns": filepath.Join(programs, program)}
		config.Entrypoint = []string{"/coredns"}
	case "pause":
		files = map[string]string{"pause": filepath.Join(programs, program)}
		config.Entrypoint = []string{"/pause"}
	case "kube-proxy":
		if err := addNetfilter(files, links); err != nil {
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
	for _, to := range sortedKeys(files) {
		if err := addFile(tw, to, files[to]); err != nil {
			return err
		}
	}
	for _, to := range sortedKeys(links) {
		if err := tw.WriteHeader(&tar.Header{Name: to, Linkname: links[to], Typeflag: tar.TypeSymlink, Mode: 0o777}); err != nil {
			return err
		}
	}
	return tw.Close()
}

func addFile(tw *tar.Writer, to, from string) error {
	f, err := os.Open(from)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if err := tw.WriteHeader(&tar.Header{Name: to, Typeflag: tar.TypeReg, Mode: 0o755, Size: info.Size()}); err != nil {
		return err
	}
	_, err = io.Copy(tw, f)
	return err
}

// library is a line of ldd(1) that names a file.
var library = regexp.MustCompile(`(?m)(?:=> )?(/\S+) \(0x`)

// addNetfilter adds this machine's iptables and nft with their libraries to
// the image of kube-proxy, which calls them.
func addNetfilter(files, links map[string]string) error {
	programs := []string{"/usr/sbin/xtables-nft-multi", "/usr/sbin/nft", "/usr/sbin/conntrack"}
	extensions, err := filepath.Glob("/usr/lib/*/xtables/*.so")
	if err != nil || len(extensions) == 0 {
		return fmt.Errorf("find iptables' extensions: none in /usr/lib/*/xtables (%v)", err)
	}
	for _, p := range append(programs, extensions...) {
		files[strings.TrimPrefix(p, "/")] = p
	}
	for _, p := range programs {
		out, err := exec.Command("ldd", p).Output()
		if err != nil {
			return fmt.Errorf("list the libraries of %s: %w", p, err)
		}
		for _, m := range library.FindAllSubmatch(out, -1) {
			lib := string(m[1])
			real, err := filepath.EvalSymlinks(lib)
			if err != nil {
				return err
			}
			files[strings.TrimPrefix(lib, "/")] = real
		}
	}
	for _, call := range []string{"iptables", "iptables-save", "iptables-restore", "ip6tables", "ip6tables-save", "ip6tables-restore"} {
		links["usr/sbin/"+call] = "xtables-nft-multi"
	}
	return nil
}

// importedStore returns a containerd data folder into which the images were
// imported once; boards copy it, which is quicker than importing again.
func importedStore(t target) (string, error) {
	dir, err := folder("programs", t.String())
	return filepath.Join(dir, "containerd-store"), err
}

func sortedKeys(m map[string]string) []string {
	var keys []string
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}

// copyTree copies a folder with everything that cp keeps; the source may be
// gigabytes, and cp knows reflinks and sparse files.
func copyTree(from, to string) error {
	var out bytes.Buffer
	cmd := exec.Command("cp", "-a", "--reflink=auto", from, to)
	cmd.Stderr = &out
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("copy %s: %w: %s", from, err, out.String())
	}
	return nil
}
