package main

import (
	"context"
	"os"
	"path/filepath"
)

// bare takes away what lab has put on a board of Kubernetes, but for the
// configuration: containerd and CNI plugins are Debian's.
const bare = `
systemctl disable --now kubelet
rm -r /usr/bin/kubeadm /usr/bin/kubelet /usr/bin/kubectl /usr/lib/systemd/system/kubelet.service /usr/lib/systemd/system/kubelet.service.d
systemctl daemon-reload
ctr -n k8s.io images list -q | xargs ctr -n k8s.io images rm --sync
test -z "$(ctr -n k8s.io images list -q)"`

// unpack takes the board's Kubernetes away and follows what kubeadm-arm images
// build tells its owner to do with the files of a bundle.
func (d *demo) unpack(r *run) error {
	if err := d.ask(r, "a board without Kubernetes", bare); err != nil {
		return err
	}
	const at = "/root/bundle"
	files, err := os.ReadDir(d.bundle)
	if err != nil {
		return err
	}
	size := int64(0)
	for _, f := range files {
		info, err := f.Info()
		if err != nil {
			return err
		}
		size += info.Size()
		if err := d.board.Copy(context.Background(), filepath.Join(d.bundle, f.Name()), at+"/"+f.Name()); err != nil {
			return err
		}
	}
	d.log.Printf("%d MB copied to it", size/1e6)
	for _, step := range []struct{ what, script string }{
		{"sha256sum --check SHA256SUMS", "sha256sum --check SHA256SUMS"},
		{"tar -xzf kubernetes-….tar.gz -C /", "tar -xzf kubernetes-*.tar.gz -C /\nkubeadm version -o short; kubelet " +
			"--version"},
		{"systemctl daemon-reload && systemctl enable kubelet", "systemctl daemon-reload && systemctl enable kubelet"},
		{"ctr -n k8s.io images import --all-platforms images-….tar",
			"ctr -n k8s.io images import --all-platforms images-*.tar"},
	} {
		if err := d.ask(r, step.what, "cd "+at+"\n"+step.script); err != nil {
			return err
		}
	}
	return nil
}
