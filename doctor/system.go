package doctor

import (
	"fmt"
	"strings"
	"time"

	"github.com/kubeadm-arm/kubeadm-arm/hwdetect/host"
)

// A clock that is off by more than a year makes certificates that have expired
// once it is set right: kubeadm's live one year.
const certificateLife = 365 * 24 * time.Hour

// clockSlack is let pass: files come from packages that were built in other time
// zones.
const clockSlack = 24 * time.Hour

func clock(f Facts) []Finding {
	c := f.Host.Clock
	if c.Now.IsZero() || f.Host.Stopped {
		return nil
	}
	now := c.Now.UTC().Format("2006-01-02 15:04")
	fix := []string{"sudo timedatectl set-ntp true    # and wait until timedatectl says that it is synchronized", `sudo date -s '2026-01-31 12:00'    # without a network: by hand`}
	for _, cert := range c.Certificates {
		if c.Now.Before(cert.NotBefore) {
			return one(Finding{
				ID: "clock", Severity: Fail,
				Seen: fmt.Sprintf("the clock says %s; %s is valid from %s on", now, cert.Path,
					cert.NotBefore.UTC().Format("2006-01-02 15:04")),
				Means: "every TLS connection is refused until the clock is right; boards without a battery-backed clock start " +
					"in the past",
				Fix: fix,
			})
		}
	}
	if behind := c.Epoch.Sub(c.Now); behind > clockSlack {
		found := Finding{
			ID: "clock", Severity: Warning,
			Seen: fmt.Sprintf("the clock says %s, which is past: %s (%s)", now, c.EpochFrom,
				c.Epoch.UTC().Format("2006-01-02")),
			Means: "by this clock the certificates of registries are not valid yet, so no image can be pulled",
			Fix:   fix,
		}
		if behind > certificateLife {
			found.Severity = Fail
			found.Means = "certificates made now will have expired the moment that the clock is set right: the cluster dies then"
		}
		return one(found)
	}
	if !c.RTC {
		return one(Finding{
			ID: "clock", Severity: Info, Brief: true, Seen: now + " UTC, plausible; no battery-backed clock",
			Means: "after each start the clock is wrong until the network sets it; until then certificates may not be valid yet",
			Fix:   []string{"sudo timedatectl set-ntp true"},
		})
	}
	return fine("clock", now+" UTC")
}

// volume finds a folder's volume.
func (f Facts) volume(path string) (host.Volume, bool) {
	for _, v := range f.Host.Volumes {
		if v.Path == path {
			return v, true
		}
	}
	return host.Volume{}, false
}

func volumes(f Facts) []Finding {
	var all []Finding
	for _, v := range f.Host.Volumes {
		if v.ReadOnly && (v.Path != "/" || !f.hasOwnVolume("/etc/kubernetes")) {
			all = append(all, Finding{
				ID: "read-only", Severity: Fail, Seen: v.Path + " is mounted read-only",
				Means: "nothing can be written there. A card that fails makes the kernel do so: look into dmesg before anything " +
					"else",
				Fix: []string{"dmesg | grep -iE 'mmc|ext4|i/o error' | tail", "sudo mount -o remount,rw " + v.Path},
			})
			break
		}
	}
	etcd, ok := f.volume(f.Ask.EtcdFolder)
	if !ok || f.Ask.ExternalEtcd || f.Host.Stopped && etcd.FSType == "" {
		return all
	}
	switch {
	case etcd.Card == "SD":
		all = append(all, Finding{
			ID: "etcd-disk", Severity: Warning,
			Seen: fmt.Sprintf("etcd's data would lie on an SD card (%s on %s)", etcd.Path, etcd.Disk),
			Means: "etcd waits for the disk with every write; cards were seen to take 100 to 800 ms where it wants 10, and " +
				"they wear out. A USB disk, an SSD or a RAID serves better",
			Fix: []string{"kubeadm-arm bench --folder " + etcd.Path + "    # how slow it is", "kubeadm-arm storage plan    " +
				"# move the data to another disk"},
		})
	case etcd.FSType == "tmpfs" || etcd.FSType == "ramfs":
		all = append(all, Finding{
			ID: "etcd-disk", Severity: Warning,
			Seen:  fmt.Sprintf("etcd's data would lie in memory (%s is %s)", etcd.Path, etcd.FSType),
			Means: "the whole cluster is forgotten at the next start",
			Fix:   []string{"findmnt " + etcd.Path + "    # mount a disk there, or name another folder with etcd.local.dataDir"},
		})
	case strings.HasPrefix(etcd.FSType, "nfs") || etcd.FSType == "cifs" || etcd.FSType == "vfat" || etcd.FSType == "exfat":
		all = append(all, Finding{
			ID: "etcd-disk", Severity: Warning, Seen: fmt.Sprintf("etcd's data would lie on %s (%s)", etcd.FSType, etcd.Path),
			Means: "etcd wants a local file system with working locks and renames, such as ext4",
			Fix:   []string{"kubeadm-arm bench --folder " + etcd.Path + "    # how slow it is"},
		})
	case len(all) == 0:
		seen := etcd.FSType
		if etcd.Disk != "" {
			seen += " on " + etcd.Disk
		}
		if etcd.Card != "" {
			seen += " (" + etcd.Card + ")"
		}
		all = fine("etcd-disk", "etcd's data would lie on "+seen)
	}
	if root, ok := f.volume("/"); ok && root.Card == "SD" && etcd.Card != "SD" {
		all = append(all, Finding{
			ID: "root-disk", Severity: Info, Seen: "the root file system is on an SD card (" + root.Disk + ")",
			Means: "logs and container images wear it out and are slow there",
			Fix:   []string{"kubeadm-arm storage plan    # move the container runtime's data, too"},
		})
	}
	return all
}

// hasOwnVolume reports whether a folder lies on another mount than "/".
func (f Facts) hasOwnVolume(path string) bool {
	v, ok := f.volume(path)
	return ok && !v.ReadOnly
}

// Room: kubeadm-arm itself refuses to begin below leastFree; the images of a
// control plane and their unpacked files take about imagesRoom; the kubelet
// evicts below evictShare of free room (eviction.go: nodefs.available<10%).
const (
	leastFree  = 16 << 20
	imagesRoom = 1 << 30
	evictShare = 10
)

func space(f Facts) []Finding {
	var all []Finding
	said := map[string]bool{}
	for _, v := range f.Host.Volumes {
		if v.Size == 0 || v.ReadOnly {
			continue
		}
		id := fmt.Sprint(v.Size, v.Free) // the same file system once
		images := v.Path == host.RuntimeFolder || v.Path == f.Host.Runtime.Containerd.Root
		if said[id] && !images {
			continue
		}
		first := !said[id]
		said[id] = true
		seen := fmt.Sprintf("%s: %d MiB free of %d MiB", v.Path, v.Free>>20, v.Size>>20)
		fix := []string{"df -h " + v.Path, "sudo apt clean; sudo journalctl --vacuum-size=50M"}
		switch {
		case !first && (v.Free < leastFree || v.Free*100 < v.Size*evictShare):
			// said already
		case v.Free < leastFree:
			all = append(all, Finding{
				ID: "space", Severity: Fail, Seen: seen, Means: "the disk is full: certificates and manifests cannot be written",
				Fix: fix,
			})
		case v.Free*100 < v.Size*evictShare:
			all = append(all, Finding{
				ID: "space", Severity: Warning, Seen: seen,
				Means: "below 10 % the kubelet taints the node and evicts pods: CoreDNS will not run", Fix: fix,
			})
		case images && v.Free < imagesRoom && !f.clusterHere() && !f.Resuming:
			all = append(all, Finding{
				ID: "space", Severity: Warning, Seen: seen,
				Means: "the control plane's images take about 1 GiB when they are unpacked", Fix: fix,
			})
		case images && v.FreeInodes >= 0 && v.FreeInodes < 10000:
			all = append(all, Finding{
				ID: "space", Severity: Warning, Seen: fmt.Sprintf("%s: %d files more can be made", v.Path, v.FreeInodes),
				Means: "images have tens of thousands of files", Fix: []string{"df -i " + v.Path},
			})
		}
	}
	if len(all) == 0 && len(said) > 0 {
		return fine("space", "enough room")
	}
	return all
}
