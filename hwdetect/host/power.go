package host

import (
	"github.com/kubeadm-arm/kubeadm-arm/hwdetect/internal/rootfs"
	"github.com/kubeadm-arm/kubeadm-arm/internal/linux"
)

// Power is what a Raspberry Pi's firmware saw since the board's start.
type Power struct {
	// LowVoltage: the supply was below 4.63 V. Throttled: the CPU was slowed
	// down.
	LowVoltage bool `json:"lowVoltage,omitempty"`
	Throttled  bool `json:"throttled,omitempty"`
}

// readPower asks the firmware; where there is none, nothing has happened.
func readPower(f files) Power {
	if f.Stopped {
		return Power{}
	}
	word, _ := linux.ReadThrottled(f.Root.FS(rootfs.MaxFile, rootfs.MaxListed))
	return Power{LowVoltage: word.Since(linux.Undervoltage), Throttled: word.Since(linux.SlowedDown)}
}
