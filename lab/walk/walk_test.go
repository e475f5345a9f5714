package main

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestBoundaries(t *testing.T) {
	got := boundaries(`1 before mkdir /etc/kubernetes/kubeadm-arm
5 before write /etc/kubernetes/kubeadm-arm/journal.json
6 after write /etc/kubernetes/kubeadm-arm/journal.json
7 before sync /etc/kubernetes/kubeadm-arm
69 before rename /etc/kubernetes/kubeadm-arm/staged/etcd.yaml
70 after rename /etc/kubernetes/kubeadm-arm/staged/etcd.yaml
`)
	if len(got) != 3 || got[0].number != 5 || got[1].number != 6 || got[2].number != 70 ||
		got[2].what != "after rename kubeadm-arm/staged/etcd.yaml" {
		t.Fatalf("got %v", got)
	}
}

// journal is one of a run whose first step is not kubeadm's.
func journal(done int) string {
	return fmt.Sprintf(`{"plan": {"steps": [{"kind": "tuneServices"}, {"kind": "runPhases"}, {"kind": "patchManifests"}]}, "done": %d}`, done)
}

// Before kubeadm's first run is done there need not be any manifest.
func TestManifestsMade(t *testing.T) {
	for text, want := range map[string]bool{journal(0): false, journal(1): false, journal(2): true, journal(3): true,
		"": false, "{": false, `{"done": 9}`: false} {
		if manifestsMade(text) != want {
			t.Errorf("%s: want %v", text, want)
		}
	}
	all := map[string]file{"/etc/kubernetes/kubeadm-arm/journal.json": {text: journal(1)}}
	if n, err := places(all, manifestsMade(journal(1))); n != 0 || err != nil {
		t.Errorf("nothing made yet: %d staged, %v", n, err)
	}
}

// The judge of a trial has to see what it is there for.
func TestPlaces(t *testing.T) {
	whole := file{text: "kind: Pod\nstatus: {}\n"}
	board := func() map[string]file {
		all := map[string]file{"/etc/kubernetes/kubeadm-arm/journal.json": {text: journal(2)}}
		for _, c := range []string{"etcd", "kube-apiserver", "kube-controller-manager"} {
			all["/etc/kubernetes/manifests/"+c+".yaml"] = whole
		}
		all["/etc/kubernetes/kubeadm-arm/staged/kube-scheduler.yaml"] = whole
		return all
	}
	if n, err := places(board(), true); n != 1 || err != nil {
		t.Fatalf("whole: %d staged, %v", n, err)
	}
	for name, spoil := range map[string]func(map[string]file){
		"nowhere":     func(all map[string]file) { delete(all, "/etc/kubernetes/manifests/etcd.yaml") },
		"in 2 places": func(all map[string]file) { all["/etc/kubernetes/kubeadm-arm/staged/etcd.yaml"] = whole },
		"half":        func(all map[string]file) { all["/etc/kubernetes/manifests/etcd.yaml"] = file{text: "kind: P"} },
	} {
		all := board()
		spoil(all)
		if _, err := places(all, true); err == nil {
			t.Errorf("%s: not seen", name)
		}
	}
}

func TestCompare(t *testing.T) {
	if err := compare(map[string]string{"/a": "1"}, map[string]string{"/a": "1"}); err != nil {
		t.Fatal(err)
	}
	err := compare(map[string]string{"/a": "1", "/b": "1"}, map[string]string{"/a": "2", "/c": "1"})
	for _, want := range []string{"/a: 2, want 1", "/b is missing", "/c should not be there"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	// Two runs' keys differ and are described alike.
	one, two := describe("/x.conf", "client-key-data: AAAA\nserver: s\n"), describe("/x.conf",
		"client-key-data: BBBB\nserver: s\n")
	if one != two || one == describe("/x.conf", "client-key-data: AAAA\nserver: t\n") {
		t.Error("kubeconfigs are not compared by their structure")
	}
}

// A walk through an upgrade cuts the power in the middle of each step of the undisturbed run.
func TestStepsOf(t *testing.T) {
	got := stepsOf(`kubeadm v1.37.2 at /x on this board
[1/3] run kubeadm's checks before an upgrade
[1/3] run kubeadm's checks before an upgrade: done in 2.5s
[2/3] wait for etcd, expected 8s
[2/3] wait for etcd: 3s, asking
[2/3] wait for etcd: done in 1m2s
[3/3] release etcd
`)
	if len(got) != 2 || got[0].took != 2500*time.Millisecond || got[1].begins != "[2/3] wait for etcd" ||
		got[1].took != 62*time.Second {
		t.Fatalf("got %v", got)
	}
	w := &walk{upgrading: upgrading{steps: got}}
	if cuts := w.powerCuts(); len(cuts) != 4 || cuts[2].At != 31 || cuts[2].Abort || !cuts[3].Abort {
		t.Fatalf("got %v", cuts)
	}
}

func TestVersionOf(t *testing.T) {
	image := func(v string) file { return file{text: "spec:\n    image: registry.k8s.io/x:" + v + "\n"} }
	all := map[string]file{"/etc/kubernetes/manifests/kube-apiserver.yaml": image("v1.36.3"),
		"/etc/kubernetes/kubeadm-arm/staged/kube-scheduler.yaml":  image("v1.36.3"),
		"/etc/kubernetes/kubeadm-arm/upgrade/kube-apiserver.yaml": image("v1.37.2")}
	if v, err := versionOf(all); v != "v1.36.3" || err != nil {
		t.Fatalf("got %s, %v", v, err)
	}
	all["/etc/kubernetes/manifests/kube-controller-manager.yaml"] = image("v1.37.2")
	if _, err := versionOf(all); err == nil {
		t.Fatal("a mixture is not seen")
	}
}

// Copies that an upgrade keeps have other names each time.
func TestLasting(t *testing.T) {
	got := lasting(map[string]string{"/etc/kubernetes/tmp/kubeadm-backup-etcd-1": "", "/etc/kubernetes/admin.conf": "",
		"/etc/kubernetes/kubeadm-arm/certs-2026-12-01T10-11-12Z/pki/ca.crt": "",
		"/etc/kubernetes/kubeadm-arm/patches/x.yaml":                        ""})
	if len(got) != 2 {
		t.Fatalf("got %v", got)
	}
}

func TestDocument(t *testing.T) {
	w := &walk{settings: settings{version: "v1.37.2", from: "v1.36.3", cpu: "100%"}}
	text := document(w, 7, []trial{{Kind: "boundary", Resumed: 3}, {Kind: "boundary", Abort: true, Staged: 2},
		{Kind: "power cut", Step: "[2/3] wait for etcd", At: 4, Abort: true, Problem: "objects are missing: a"}})
	for _, want := range []string{"    make upgrade-walk\n", "| resumed | 1 | 1 | 0 | 0 | 3.0 s |",
		"| power cut | taken back | 1 | 0 |",
		"Not the same end: power cut after 4.00 s [2/3] wait for etcd: objects are missing: a"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in:\n%s", want, text)
		}
	}
}
