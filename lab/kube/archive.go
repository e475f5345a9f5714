package kube

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// writeArchive writes images, by the names they are asked for, as docker save
// does: configurations and layers by their hashes, then manifest.json. The same
// images give the same bytes; tarball.MultiRefWrite has a map's order.
func writeArchive(to string, images map[string]v1.Image) (err error) {
	f, err := os.Create(to)
	if err != nil {
		return fmt.Errorf("write the image archive: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	tw := tar.NewWriter(f)
	seen := map[string]bool{}
	add := func(name string, size int64, r io.Reader) error {
		if seen[name] {
			return nil
		}
		seen[name] = true
		if err := tw.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644, Size: size}); err != nil {
			return err
		}
		_, err := io.Copy(tw, r)
		return err
	}
	var manifest tarball.Manifest
	for _, ref := range slices.Sorted(maps.Keys(images)) {
		d := tarball.Descriptor{RepoTags: []string{ref}}
		if err := addImage(images[ref], &d, add); err != nil {
			return fmt.Errorf("write image %s: %w", ref, err)
		}
		manifest = append(manifest, d)
	}
	text, err := json.Marshal(manifest)
	if err != nil {
		return err
	}
	if err := add("manifest.json", int64(len(text)), bytes.NewReader(text)); err != nil {
		return fmt.Errorf("write the image archive: %w", err)
	}
	return tw.Close()
}

func addImage(img v1.Image, d *tarball.Descriptor, add func(string, int64, io.Reader) error) error {
	config, err := img.RawConfigFile()
	if err != nil {
		return err
	}
	hash, err := img.ConfigName()
	if err != nil {
		return err
	}
	d.Config = hash.String()
	if err := add(d.Config, int64(len(config)), bytes.NewReader(config)); err != nil {
		return err
	}
	layers, err := img.Layers()
	if err != nil {
		return err
	}
	for _, l := range layers {
		digest, err := l.Digest()
		if err != nil {
			return err
		}
		size, err := l.Size()
		if err != nil {
			return err
		}
		r, err := l.Compressed()
		if err != nil {
			return err
		}
		name := digest.Hex + ".tar.gz"
		if err := errors.Join(add(name, size, r), r.Close()); err != nil {
			return err
		}
		d.Layers = append(d.Layers, name)
	}
	return nil
}
