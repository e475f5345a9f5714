package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// seed makes a cache for lab of what an emulated board has, so that lab makes boards of
// namespaces there: the images that its containerd has imported, its programs, and empty
// files for those programs that are only in images. $1 is the cache, $2 the name of the
// folder of programs, and the rest are their names.
const seed = `cache=$1; into=$1/programs/$2; shift 2
systemctl disable --now kubelet 2>/dev/null; systemctl stop containerd
mkdir -p $into
mv /var/lib/containerd $into/containerd-store; mkdir /var/lib/containerd
for program in "$@"; do
	at=$(command -v $program) && ln $at $into/ || touch $into/$program
done
touch $into/images.tar`

// inside runs this program in an emulated board with counted time, where lab makes the
// trials' boards: they have one clock then, which counts instructions. So a busy machine
// makes a run longer and no board slower.
func (s *settings) inside(ctx context.Context, speed string) error {
	if len(s.versions) != 1 {
		return fmt.Errorf("--inside: name one version of Kubernetes; the emulated board has no other's images")
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	programs, err := s.lab.BuildHere(ctx, s.versions[0], "kubeadm")
	if err != nil {
		return err
	}
	programs = filepath.Dir(programs)
	host := s.lab.Board(s.name + "-host")
	flags := []string{"--board", "amd64", "--speed", speed, "--memory", "6GiB", "--kubernetes", s.versions[0]}
	for _, p := range []string{string(s.lab), self, s.kubeadmArm, programs + "/etcdctl", programs + "/etcdutl"} {
		if p != "" {
			flags = append(flags, "--bin", p)
		}
	}
	defer func() { _ = host.Down(ctx) }()
	if err := host.Up(ctx, flags...); err != nil {
		return err
	}
	const cache = "/var/lib/lab"
	files, err := os.ReadDir(programs)
	if err != nil {
		return err
	}
	script := []string{"bash", "-ec", seed, "seed", cache, filepath.Base(programs)}
	for _, f := range files {
		if f.Type().IsRegular() && !strings.HasPrefix(f.Name(), ".") && filepath.Ext(f.Name()) == "" {
			script = append(script, f.Name())
		}
	}
	if _, err := host.Run(ctx, script...); err != nil {
		return fmt.Errorf("make a cache on the emulated board: %w", err)
	}
	words := []string{"/usr/local/bin/" + filepath.Base(self), "--lab", "/usr/local/bin/" + filepath.Base(string(s.lab)),
		"--kubernetes", s.versions[0], "--tools", strings.Join(s.tools, ","), "--rounds", fmt.Sprint(s.rounds),
		"--first", s.first, "--others", s.others, "--init", s.init, "--period", s.period, "--limit", s.limit.String(),
		"--name", s.name, "--clock", speed, "--json", "/root/join.json", fmt.Sprintf("--ha=%t", s.ha)}
	if s.kubeadmArm != "" {
		words = append(words, "--kubeadm-arm", "/usr/local/bin/"+filepath.Base(s.kubeadmArm))
	}
	cmd := host.Command(ctx, []string{"KUBEADM_ARM_CACHE=" + cache}, words...)
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	failed := cmd.Run()
	text, err := host.Run(ctx, "cat", "/root/join.json")
	if err != nil {
		return fmt.Errorf("%w: %w", failed, err)
	}
	if err := s.add([]byte(text)); err != nil {
		return err
	}
	return failed
}
