package safefile

import (
	"context"

	"github.com/kubeadm-arm/kubeadm-arm/internal/fault"
)

// Wait calls read in a goroutine of its own and returns what it does, or the
// context's error as soon as the context ends. A read that does not return by then
// is left behind; it must change nothing. A panic in it is an error here.
func Wait[T any](ctx context.Context, read func() (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	var none T
	if err := ctx.Err(); err != nil {
		return none, err
	}
	done := make(chan result, 1)
	go func() {
		var r result
		defer func() { done <- r }()
		defer fault.Catch(&r.err)
		r.value, r.err = read()
	}()
	select {
	case r := <-done:
		return r.value, r.err
	case <-ctx.Done():
		return none, ctx.Err()
	}
}
