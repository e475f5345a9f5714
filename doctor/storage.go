package doctor

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
		found := Finding{ID: "storage", Severity: Warning, Seen: p.Seen, Means: p.Hint, Fix: []string{"kubeadm-arm storage status"}}
		if p.Bad {
			found.Severity = Fail
		}
		all = append(all, found)
	}
	return all
}
