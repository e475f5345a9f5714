package tree

import (
	"context"
	"fmt"

	"github.com/kubeadm-arm/kubeadm-arm/internal/durable"
	"github.com/kubeadm-arm/kubeadm-arm/internal/safefile"
)

// Copy copies a folder with cp(1), which run runs, and proves the copy equal. to must lie on
// the file system where it stays, and nothing may be there.
func Copy(ctx context.Context, changes durable.FS,
	run func(ctx context.Context, name string, args ...string) ([]byte, error), from, to string) (Fingerprint, error) {
	err := changes.Do("copy", to, func() error {
		// -a keeps owners, modes, times, links, special files and extended
		// attributes, ACLs among them; what it could not keep it does not tell,
		// which is why the fingerprints are compared.
		_, err := run(ctx, "cp", "-a", "--sparse=always", "-T", "--", from, to)
		return err
	})
	if err == nil {
		// A slow disk takes minutes for it.
		_, err = safefile.Wait(ctx, func() (struct{}, error) { return struct{}{}, changes.SyncFS(to) })
	}
	if err != nil {
		return Fingerprint{}, fmt.Errorf("copy %s to %s: %w", from, to, err)
	}
	return same(ctx, from, to)
}

// same proves two folders equal.
func same(ctx context.Context, from, to string) (Fingerprint, error) {
	want, err := TakeFingerprint(ctx, from)
	if err != nil {
		return want, err
	}
	got, err := TakeFingerprint(ctx, to)
	if err != nil {
		return want, err
	}
	if got.Sum != want.Sum {
		where, err := FirstDifference(ctx, from, to)
		if err != nil {
			return want, err
		}
		return want, fmt.Errorf("the copy of %s at %s is not equal: %s", from, to, where)
	}
	return want, nil
}
