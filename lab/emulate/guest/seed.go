package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"syscall"
	"unsafe"
)

// The kernel's requests for its random numbers (random(4), linux/random.h).
const (
	addEntropy = 0x40085203 // RNDADDENTROPY
	reseed     = 0x5207     // RNDRESEEDCRNG
)

// seed mixes a file into the kernel's random numbers. Boards that go on from one saved
// state would otherwise begin with the same ones, and make the same keys.
func seed(file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if len(text) == 0 {
		return errors.New("seed: the file is empty")
	}
	random, err := os.OpenFile("/dev/urandom", os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer random.Close()
	info := poolInfo(text)
	_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, random.Fd(), addEntropy, uintptr(unsafe.Pointer(&info[0])))
	if errno != 0 {
		return fmt.Errorf("add to the kernel's random numbers: %w", errno)
	}
	// At once, and not at the kernel's next turn, up to a minute later.
	if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, random.Fd(), reseed, 0); errno != 0 {
		return fmt.Errorf("renew the kernel's random numbers: %w", errno)
	}
	return nil
}

// poolInfo is a struct rand_pool_info: bits of entropy, bytes, and these.
func poolInfo(text []byte) []byte {
	info := binary.NativeEndian.AppendUint32(nil, uint32(8*len(text)))
	info = binary.NativeEndian.AppendUint32(info, uint32(len(text)))
	return append(info, text...)
}
