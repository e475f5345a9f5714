package storage

import "path/filepath"

// journalV1 is the journal of kubeadm-arm up to 1.13.1: what a folder had come to
// stood in booleans, and names on the way were derived instead of recorded.
type journalV1 struct {
	Doing      string      `json:"doing"`
	UUID       string      `json:"uuid"`
	FSType     string      `json:"fsType"`
	Mount      string      `json:"mount"`
	OwnersLine bool        `json:"ownersLine"`
	WasMounted bool        `json:"wasMounted"`
	Made       []string    `json:"made"`
	Folders    []*folderV1 `json:"folders"`
	Backup     string      `json:"fstabBackup"`
	Stopped    []string    `json:"stopped"`
	Kept       []string    `json:"kept"`
}

type folderV1 struct {
	Path     string `json:"path"`
	Sum      string `json:"sum"`
	Placed   bool   `json:"placed"`
	Before   string `json:"before"`
	Switched bool   `json:"switched"`
	Etcd     bool   `json:"etcd"`
	Back     string `json:"back"`
	BackSum  string `json:"backSum"`
	Done     bool   `json:"done"`
	// Newer: Back holds the disk's data and changes places with a folder that no
	// guard folder had replaced.
	Newer    bool `json:"newer"`
	Restored bool `json:"restored"`
}

func (old *journalV1) convert() *journal {
	j := &journal{
		Version: journalVersion, Doing: old.Doing, UUID: old.UUID, FSType: old.FSType, Mount: old.Mount,
		OwnersLine: old.OwnersLine, WasMounted: old.WasMounted, Made: old.Made, Backup: old.Backup, Stopped: old.Stopped,
	}
	for _, o := range old.Folders {
		if o == nil {
			j.Folders = append(j.Folders, nil)
			continue
		}
		f := &folder{Path: o.Path, State: o.state(old.Doing), Sum: o.Sum, Etcd: o.Etcd, Guard: guardID{Unrecorded: true}}
		f.Names = names{Copy: siblingPath(old.Mount+o.Path, "copy"), Guard: siblingPath(o.Path, "guard"),
			Back: siblingPath(o.Path,
				"back"), Before: o.Before}
		if o.Before == "" {
			f.Names.Before = filepath.Clean(o.Path) + ".before-storage"
		}
		if f.State == returned || f.State == restoring {
			f.Return, f.ReturnSum = o.Back, o.BackSum
		}
		j.Folders = append(j.Folders, f)
	}
	for _, path := range old.Kept {
		k := kept{Path: path, Why: "old data"}
		for _, f := range j.Folders {
			if f != nil && f.Names.Before == path {
				k.Of = f.Path
			}
		}
		j.Kept = append(j.Kept, k)
	}
	return j
}

// state is what the booleans come to. Where they leave open what is where, it is
// the earliest state from which the folders themselves are looked at.
func (o *folderV1) state(doing string) state {
	undo := doing == "undo"
	switch {
	case undo && o.Restored:
		return finished
	case undo && o.Newer:
		return switching
	case undo && o.Back != "":
		return restoring
	case o.Done || o.Switched && doing == "":
		return onDisk
	case o.Switched:
		return moved
	case o.Placed || undo && o.Sum == "":
		return switching // what is where is looked at
	case o.Sum != "":
		return copied
	case doing != "":
		return copying
	}
	return onDisk
}
