package bench

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// getrandom asks the kernel for one random byte (getrandom(2)).
func getrandom(flags int) error {
	var b [1]byte
	_, err := unix.Getrandom(b[:], flags)
	return err
}

// awaitRandomness waits until the kernel has randomness. A board that has just
// been switched on and has no source of it can be without for half a minute; on
// one core the first who asks then makes it, by spinning. Without this wait the
// first handshake would be charged with that.
func awaitRandomness(ctx context.Context, c clock, ask func(flags int) error) ([]Warning, error) {
	if err := ask(unix.GRND_NONBLOCK); !errors.Is(err, unix.EAGAIN) {
		return nil, nil // there is some, or the kernel is too old to tell
	}
	start := c.Now()
	ready := make(chan error, 1)
	go func() { ready <- retryInterrupted(func() error { return ask(0) }) }()
	select {
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for the kernel's randomness: %w", ctx.Err())
	case <-ready:
	}
	return []Warning{{WarnRandomness, fmt.Sprintf(
		"the kernel had no randomness for the first %s: certificates and handshakes wait for it after each boot, unless a "+
			"hardware source or haveged helps",
		Format(c.Now().Sub(start).Seconds(), "s"))}}, nil
}

// randomnessPatience is how long Run waits beside its budget: what is measured
// without randomness would be of no use, and kubeadm will wait as well.
const randomnessPatience = 2 * time.Minute
