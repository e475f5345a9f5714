package bench

import (
	"context"
	"strings"
	"time"
)

// The patterns a folder is measured with, most important first.
const (
	// patternFsync is etcd's log: 2300 bytes appended, then fdatasync, one after
	// the other, as etcd's own advice measures with
	// fio --rw=write --ioengine=sync --fdatasync=1 --bs=2300.
	patternFsync = "fsync"
	// patternWrite is a snapshot or an image being unpacked: a megabyte at a time.
	patternWrite = "write"
	// patternRandom is etcd's database file: pages of 4 KiB all over it.
	patternRandom = "random"
)

const (
	etcdRecord      = 2300
	sequentialBlock = 1 << 20
	randomBlock     = 4 << 10
)

// disk measures one folder with one pattern. The clock is the wall's: a disk
// does not use our CPU.
type disk struct {
	clock   clock
	folder  string
	pattern string
	do      func(i int) error // the i-th operation
	bytes   float64           // per operation: figures are bytes per second; 0: seconds per operation
	effort  effort
	limit   int // as many operations at most: cards wear out
	least   int // as many, though its share of the time is over; but for half of all

	values []float64
	sum    time.Duration
	last   time.Duration
}

func newDisks(c clock, folder string, s *scratch) []*disk {
	block := make([]byte, sequentialBlock)
	for i := range block {
		block[i] = byte(i*7 + i>>8*13) // some controllers and file systems compress, or skip zeros
	}
	inOrder := func(buffer []byte) func(int) error {
		size := int64(len(buffer))
		return func(i int) error { return s.append(buffer, int64(i)%(spanBytes/size)*size) }
	}
	return []*disk{
		{
			clock: c, folder: folder, pattern: patternFsync,
			do: inOrder(block[:etcdRecord]), limit: spanBytes / etcdRecord,
			effort: effort{values: 400, wall: time.Second},
		},
		{
			clock: c, folder: folder, pattern: patternWrite, bytes: sequentialBlock,
			do: inOrder(block), limit: 512,
			effort: effort{values: 10, wall: 500 * time.Millisecond},
		},
		{
			clock: c, folder: folder, pattern: patternRandom,
			do: func(i int) error {
				// A stride that shares no factor with the number of blocks visits each once.
				const blocks, stride = spanBytes / randomBlock, 1597
				return s.append(block[:randomBlock], int64(i*stride%blocks)*randomBlock)
			},
			limit:  4000,
			effort: effort{values: 100, wall: 500 * time.Millisecond},
		},
	}
}

func (d *disk) enough(part float64) bool {
	return len(d.values) >= d.limit ||
		float64(len(d.values)) >= part*float64(d.effort.values) && float64(d.sum) >= part*float64(d.effort.wall)
}

// slice does not wait for a disk that hangs: when ctx ends, the write that is
// under way is left to finish by itself.
func (d *disk) slice(ctx context.Context, more func(next time.Duration) bool, part float64) error {
	type outcome struct {
		took time.Duration
		err  error
	}
	finished := make(chan outcome, 1)
	for !d.enough(part) && more(d.last) {
		i := len(d.values)
		go func() {
			start := d.clock.Now()
			err := d.do(i)
			finished <- outcome{d.clock.Now().Sub(start), err}
		}()
		select {
		case <-ctx.Done():
			return ctx.Err()
		case o := <-finished:
			if o.err != nil {
				return o.err
			}
			d.last = max(o.took, 1)
			d.sum += o.took
			value := d.last.Seconds()
			if d.bytes > 0 {
				value = d.bytes / value
			}
			d.values = append(d.values, value)
		}
	}
	return nil
}

func (d *disk) samples() []Sample {
	if len(d.values) == 0 {
		return nil
	}
	unit := SecondsPerOp
	if d.bytes > 0 {
		unit = BytesPerSecond
	}
	return []Sample{newSample(DiskSample(d.folder, d.pattern), Wall, unit, d.values, len(d.values))}
}

// DiskSample is the name of a folder's sample; the pattern is "fsync", "write"
// or "random".
func DiskSample(folder, pattern string) string {
	return "disk/" + pattern + "/" + strings.TrimPrefix(folder, "/")
}
