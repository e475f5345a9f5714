package diagnose

import (
	"bytes"
	"strconv"
	"syscall"

	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/state"
)

// kernelLog reads the kernel's ring buffer without waiting for more, from a time
// after the board's start on, in seconds (Documentation/ABI/testing/dev-kmsg: one
// record a read, "priority,number,microseconds,flags;text").
func kernelLog(l state.Layout, from float64) string {
	fd, err := syscall.Open(l.At("/dev/kmsg"), syscall.O_RDONLY|syscall.O_NONBLOCK|syscall.O_CLOEXEC, 0)
	if err != nil {
		return ""
	}
	defer syscall.Close(fd)
	var all bytes.Buffer
	buffer := make([]byte, 8192)
	for all.Len() < 1<<20 {
		n, err := syscall.Read(fd, buffer)
		if err == syscall.EPIPE {
			continue // records were overwritten meanwhile
		}
		if n <= 0 || err != nil {
			break
		}
		for _, record := range bytes.Split(buffer[:n], []byte{'\n'}) {
			f := bytes.SplitN(record, []byte{','}, 4)
			if len(f) < 4 {
				continue // a record's further lines
			}
			if us, err := strconv.ParseFloat(string(f[2]), 64); err == nil && us/1e6 >= from {
				all.Write(append(record, '\n'))
			}
		}
	}
	return all.String()
}
