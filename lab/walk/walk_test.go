package main

import (
	"fmt"
	"strings"
	"testing"
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
	if n, err := places(all); n != 0 || err != nil {
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
	if n, err := places(board()); n != 1 || err != nil {
		t.Fatalf("whole: %d staged, %v", n, err)
	}
	for name, spoil := range map[string]func(map[string]file){
		"nowhere":     func(all map[string]file) { delete(all, "/etc/kubernetes/manifests/etcd.yaml") },
		"in 2 places": func(all map[string]file) { all["/etc/kubernetes/kubeadm-arm/staged/etcd.yaml"] = whole },
		"half":        func(all map[string]file) { all["/etc/kubernetes/manifests/etcd.yaml"] = file{text: "kind: P"} },
	} {
		all := board()
		spoil(all)
		if _, err := places(all); err == nil {
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
