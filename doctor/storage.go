package doctor

import "strings"

// A StorageProblem is what kubeadm-arm storage finds wrong with what it set up.
type StorageProblem struct {
	// Bad says that data is not where it belongs, and not only in danger.
	Bad bool
	// Seen is what was seen, Hint what to do, in words.
	Seen, Hint string
}

// storageSet passes on how the disk of kubeadm-arm storage stands; nothing when
// none is set up, or all of it is well.
func storageSet(f Facts) []Finding {
	var all []Finding
	for _, p := range f.Storage {
		found := Finding{
			ID: "storage", Severity: Warning, Seen: p.Seen, Means: p.Hint, Fix: []string{"kubeadm-arm storage status"},
		}
		if p.Bad {
			found.Severity = Fail
		}
		all = append(all, found)
	}
	return all
}

// freshDisk is about etcd's folder being the root of a new file system, which has a
// folder lost+found: kubeadm's preflight wants it empty.
func freshDisk(f Facts) []Finding {
	if !f.Host.Node.EtcdFresh || f.Ask.ExternalEtcd || f.Resuming || f.clusterHere() {
		return nil
	}
	folder := f.Ask.EtcdFolder
	return one(Finding{
		ID: "etcd-folder", Severity: Fail, Checks: []string{"DirAvailable-" + strings.ReplaceAll(folder, "/", "-")},
		Seen:  folder + " holds lost+found and nothing else: an empty disk is mounted there",
		Means: "kubeadm's preflight wants the folder empty (kubeadm#2127). Give etcd a folder below the mount point",
		Fix: []string{
			"# in the ClusterConfiguration that --config names:",
			"etcd: {local: {dataDir: " + folder + "/data}}",
		},
	})
}
