package main

import (
	"archive/tar"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"path"
	"regexp"
	"sort"
	"strings"
	"time"
)

// tree reads files of the board, by path.
func (w *walk) tree(paths ...string) (map[string]file, error) {
	out, err := w.on(nil, append([]string{"tar", "--create", "--directory=/", "--ignore-failed-read"}, paths...)...)
	if err != nil {
		return nil, err
	}
	return readTar(strings.NewReader(out))
}

type file struct {
	mode     int64
	uid, gid int
	kind     byte
	link     string
	text     string
}

func readTar(r io.Reader) (map[string]file, error) {
	all := map[string]file{}
	t := tar.NewReader(r)
	for {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return nil, err
		}
		text, err := io.ReadAll(t)
		if err != nil {
			return nil, err
		}
		all["/"+strings.TrimSuffix(h.Name, "/")] = file{h.Mode, h.Uid, h.Gid, h.Typeflag, h.Linkname, string(text)}
	}
}

// files describes /etc/kubernetes and the kubelet's configuration without what
// differs between any two runs: keys, signatures, times, tokens.
func (w *walk) files() (map[string]string, error) {
	all, err := w.tree("etc/kubernetes", "var/lib/kubelet/config.yaml", "var/lib/kubelet/kubeadm-flags.env")
	if err != nil {
		return nil, err
	}
	described := map[string]string{}
	for name, f := range all {
		described[name] = fmt.Sprintf("%c %04o %d:%d %s %s", f.kind, f.mode&0o7777, f.uid, f.gid, f.link,
			describe(name, f.text))
	}
	return described, nil
}

// data are a kubeconfig's certificates and keys.
var data = regexp.MustCompile(`(-data: ).*`)

// describe is a file's text as far as it is the same in every run.
func describe(name, text string) string {
	switch path.Ext(name) {
	case ".key", ".pub":
		block, _ := pem.Decode([]byte(text))
		if block == nil {
			return "no key"
		}
		return block.Type
	case ".crt":
		return certificate(text)
	case ".conf":
		text = data.ReplaceAllString(text, "${1}…")
	}
	return fmt.Sprintf("%d bytes %x", len(text), sha256.Sum256([]byte(text)))
}

func certificate(text string) string {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return "no certificate"
	}
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("%s by %s, %s, names %v %v, CA %v, uses %v %v, for %s", c.Subject, c.Issuer,
		c.PublicKeyAlgorithm,
		c.DNSNames, c.IPAddresses, c.IsCA, c.KeyUsage, c.ExtKeyUsage, c.NotAfter.Sub(c.NotBefore).Round(24*time.Hour))
}

// compare names what differs.
func compare(want, got map[string]string) error {
	var diff []string
	for name, w := range want {
		switch g, ok := got[name]; {
		case !ok:
			diff = append(diff, name+" is missing")
		case g != w:
			diff = append(diff, fmt.Sprintf("%s: %s, want %s", name, g, w))
		}
	}
	for name := range got {
		if _, ok := want[name]; !ok {
			diff = append(diff, name+" should not be there")
		}
	}
	if len(diff) == 0 {
		return nil
	}
	sort.Strings(diff)
	return fmt.Errorf("the files differ: %s", strings.Join(diff, "; "))
}

// onePlaceEach looks where the manifests are right after a run was ended: each
// whole and in one place, all four or, before they were made, none. It returns
// how many are staged.
func (w *walk) onePlaceEach() (staged int, err error) {
	all, err := w.tree("etc/kubernetes")
	if err != nil {
		return 0, err
	}
	if w.from == "" {
		return places(all, manifestsMade(all["/etc/kubernetes/kubeadm-arm/journal.json"].text))
	}
	if _, err := versionOf(all); err != nil {
		return 0, err
	}
	return places(all, true)
}

// manifestsMade reports whether the journal says that kubeadm has made the
// manifests, that is whether its first run, the head, is done.
func manifestsMade(journal string) bool {
	var j struct {
		Done int `json:"done"`
		Plan struct {
			Steps []struct {
				Kind string `json:"kind"`
			} `json:"steps"`
		} `json:"plan"`
	}
	if json.Unmarshal([]byte(journal), &j) != nil {
		return false
	}
	for i, s := range j.Plan.Steps {
		if s.Kind == "runPhases" {
			return j.Done > i
		}
	}
	return false
}

// folders are where a manifest may be.
func folders() []string {
	return []string{"manifests", "kubeadm-arm/staged", "manifests/.kubeadm-arm-staged"}
}

// places checks that each manifest is in one place, and whole, once they are made.
func places(all map[string]file, made bool) (staged int, err error) {
	for _, c := range []string{"etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"} {
		n := 0
		for _, dir := range folders() {
			f, ok := all["/etc/kubernetes/"+dir+"/"+c+".yaml"]
			if !ok {
				continue
			}
			n++
			if dir != "manifests" {
				staged++
			}
			// kubeadm's manifests end with their empty status. Before the journal
			// says that they are made, kubeadm may be in the middle of one.
			if made && !strings.HasSuffix(f.text, "status: {}\n") {
				err = errors.Join(err, fmt.Errorf("%s in %s is not whole", c, dir))
			}
		}
		if n > 1 || made && n != 1 {
			err = errors.Join(err, fmt.Errorf("%s is in %d places", c, n))
		}
	}
	return staged, err
}
