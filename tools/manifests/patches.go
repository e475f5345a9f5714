package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/kubeadm-arm/kubeadm-arm/patch"
)

// checkPatches has a real kubeadm apply the patches that kubeadm-arm lays down
// for upgrades, for every board whose settings lie in dir, and compares what it
// writes with what kubeadm-arm made of the manifests: the same pods, where of a
// flag that stands twice the last one counts.
func checkPatches(ctx context.Context, kubeadm string, f form, c config, dir string) error {
	text, flags := c.text(f), []string(nil)
	switch {
	case f.minor < 19:
		fmt.Fprintln(os.Stderr, "generate:", f.version, "knows no patches; its manifests are edited as files only")
		return nil
	case f.minor < 22:
		flags = []string{"--experimental-patches=" + patchesFolder}
	default:
		// The flag is refused beside --config since v1.23.
		text = strings.Replace(text, "kind: InitConfiguration\n",
			"kind: InitConfiguration\npatches:\n  directory: "+patchesFolder+"\n", 1)
	}
	boards, err := filepath.Glob(filepath.Join(dir, "*.settings.json"))
	if err != nil || len(boards) == 0 {
		return errors.Join(err, fmt.Errorf("no board's settings in %s", dir))
	}
	for _, path := range boards {
		board := strings.TrimSuffix(filepath.Base(path), ".settings.json")
		settings, err := readSettings(path)
		if err != nil {
			return err
		}
		edited, patches := map[string][]byte{}, map[string][]byte{}
		for component, s := range settings {
			before, err := os.ReadFile(filepath.Join(dir, component+".yaml"))
			if err != nil {
				return err
			}
			after, changes, err := patch.Apply(before, s)
			if err != nil {
				return fmt.Errorf("%s: %w", component, err)
			}
			edited[component] = after
			for name, text := range patch.Durable(component, changes) {
				patches[name] = text
			}
		}
		written, err := manifests(ctx, kubeadm, c, text, patches, flags...)
		if err != nil {
			return err
		}
		for component := range settings {
			if err := samePod(edited[component], written[component]); err != nil {
				return fmt.Errorf("%s on %s: %w", component, board, err)
			}
			_, more, err := patch.Apply(written[component], settings[component])
			if err != nil {
				return fmt.Errorf("%s on %s: %w", component, board, err)
			}
			for _, m := range more {
				if !m.Kept {
					return fmt.Errorf("%s on %s: %s is %q in what kubeadm wrote, not %q", component, board, m.Target,
						m.Old, m.New)
				}
			}
		}
		fmt.Fprintf(os.Stderr, "generate: %s %s %s: kubeadm applied %d files of patches; the pods are the same\n",
			f.version, c.name, board, len(patches))
	}
	return nil
}

func readSettings(path string) (s map[string]patch.Settings, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(text, &s); err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return s, nil
}

// samePod compares two manifests by what they mean.
func samePod(a, b []byte) error {
	var pods [2]corev1.Pod
	var settled [2]map[string]string
	for i, text := range [][]byte{a, b} {
		if err := yaml.UnmarshalStrict(text, &pods[i]); err != nil {
			return err
		}
		if len(pods[i].Spec.Containers) != 1 {
			return fmt.Errorf("%d containers", len(pods[i].Spec.Containers))
		}
		container := &pods[i].Spec.Containers[0]
		settled[i] = map[string]string{}
		for _, word := range container.Command {
			name, value, _ := strings.Cut(word, "=")
			settled[i][name] = value
		}
		for _, v := range container.Env {
			settled[i]["environment "+v.Name] = v.Value
		}
		container.Command, container.Env = nil, nil
	}
	if !reflect.DeepEqual(settled[0], settled[1]) {
		return fmt.Errorf("flags and variables differ: %v and %v", settled[0], settled[1])
	}
	if !reflect.DeepEqual(pods[0], pods[1]) {
		return fmt.Errorf("the pods differ:\n%s\n%s", a, b)
	}
	return nil
}
