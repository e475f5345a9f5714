package main

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"strings"
	"time"

	"github.com/kubeadm-arm/kubeadm-arm/lab/drive"
)

// upgrading is what a walk through an upgrade knows of the undisturbed run.
type upgrading struct {
	// before are the files before the upgrade, objects what the board's cluster had then.
	before  map[string]string
	objects []string
	steps   []step
}

// A step is one of the undisturbed run's.
type step struct {
	// begins is the beginning of the line with which it begins.
	begins string
	took   time.Duration
}

func (w *walk) upgradeCommand() []string {
	return []string{"kubeadm-arm", "upgrade", "apply", w.version, "--yes",
		"--arm-kubeadm", "/usr/lib/kubernetes/" + w.version + "/kubeadm",
		// Images are there, and no registry is.
		"--ignore-preflight-errors=SystemVerification,ImagePull,CreateJob"}
}

// setUp makes a cluster to be upgraded, with objects that nobody but its user has made.
func (w *walk) setUp() error {
	if _, err := w.on(w.env(), initCommand()...); err != nil {
		return err
	}
	if err := w.settle(); err != nil {
		return err
	}
	_, err := w.on(nil, "sh", "-ec", `export KUBECONFIG=/etc/kubernetes/admin.conf
kubectl create namespace walk
for i in $(seq 20); do kubectl --namespace walk create configmap walk-$i --from-literal=number=$i; done
kubectl --namespace walk create secret generic walk --from-literal=a=b`)
	if err != nil {
		return err
	}
	// Each board's own: tokens have names of their own.
	w.objects, err = w.board.Objects(context.Background())
	return err
}

// lookBefore notes the files that abort has to bring back.
func (w *walk) lookBefore() error {
	files, err := w.files()
	w.before = lasting(files)
	return err
}

// dated are names of copies that an upgrade keeps.
var dated = regexp.MustCompile(`^/etc/kubernetes/(tmp|kubeadm-arm/certs-)`)

// lasting are the files without those copies.
func lasting(all map[string]string) map[string]string {
	kept := maps.Clone(all)
	maps.DeleteFunc(kept, func(name, _ string) bool { return dated.MatchString(name) })
	return kept
}

var (
	imageTag  = regexp.MustCompile(`(?m)^\s*image: \S+:(v\S+)$`)
	stepLine  = regexp.MustCompile(`^\[\d+/\d+\] `)
	stepTimes = regexp.MustCompile(`^(\[\d+/\d+\] .*): done in (\S+)$`)
)

// versionOf is that of the manifests, wherever they are. A mixture is an error.
func versionOf(all map[string]file) (string, error) {
	seen := map[string]string{}
	for _, c := range []string{"kube-apiserver", "kube-controller-manager", "kube-scheduler"} {
		for _, dir := range folders() {
			if m := imageTag.FindStringSubmatch(all["/etc/kubernetes/"+dir+"/"+c+".yaml"].text); m != nil {
				seen[m[1]] = c
			}
		}
	}
	if len(seen) != 1 {
		return "", fmt.Errorf("the manifests are of %d versions: %v", len(seen), seen)
	}
	for v := range seen {
		return v, nil
	}
	return "", nil
}

// stepsOf reads the steps of a run from what it said.
func stepsOf(said string) (all []step) {
	begun := map[string]bool{}
	for _, line := range strings.Split(said, "\n") {
		if m := stepTimes.FindStringSubmatch(line); m != nil {
			if took, err := time.ParseDuration(m[2]); err == nil && begun[m[1]] {
				all = append(all, step{m[1], took})
			}
		} else if stepLine.MatchString(line) {
			title, _, _ := strings.Cut(line, ", expected ")
			begun[title] = true
		}
	}
	return all
}

// powerCuts are trials that cut the power in the middle of each step: each component changes in
// steps of its own.
func (w *walk) powerCuts() (all []trial) {
	for i, s := range w.steps {
		for _, abort := range []bool{false, true} {
			all = append(all, trial{Kind: "power cut", Step: s.begins, At: s.took.Seconds() / 2, Abort: abort, Unit: i%2 == 0})
		}
	}
	return all
}

// compareUpgrade looks whether the board is wholly of the version that it has to be of, and the
// cluster has all its objects.
func (w *walk) compareUpgrade(t *trial, files map[string]string) error {
	all, err := w.tree("etc/kubernetes")
	if err != nil {
		return err
	}
	version, err := versionOf(all)
	if err != nil {
		return err
	}
	want := w.want
	switch {
	case t.Abort && version == w.from:
		want = w.before
	case version != w.version:
		return fmt.Errorf("the manifests are of %s", version)
	}
	if err := compare(lasting(want), lasting(files)); err != nil {
		return err
	}
	serves, err := w.on(nil, "kubectl", "--kubeconfig", "/etc/kubernetes/admin.conf", "get", "--raw", "/version")
	if err != nil {
		return err
	}
	if !strings.Contains(serves, `"gitVersion": "`+version+`"`) {
		return fmt.Errorf("the manifests are of %s, and this serves: %s", version, serves)
	}
	now, err := w.board.Objects(context.Background())
	if err != nil {
		return err
	}
	if missing := drive.Missing(w.objects, now); missing != nil {
		return fmt.Errorf("objects are missing: %s", strings.Join(missing, ", "))
	}
	return nil
}
