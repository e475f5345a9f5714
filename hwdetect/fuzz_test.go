package hwdetect

import (
	"bytes"
	"os"
	"testing"
)

func FuzzDeviceTree(f *testing.F) {
	f.Add([]byte("raspberrypi,model-b\x00brcm,bcm2835\x00"), []byte("Raspberry Pi\x00"))
	f.Fuzz(func(_ *testing.T, compatible, model []byte) {
		var b Board
		b.deviceTree(deviceStrings(model), deviceStrings(compatible))
		raspberryByRevision(string(model), "BCM2835")
	})
}

func FuzzReadELF(f *testing.F) {
	if text, err := os.ReadFile("../testdata/boards/raspberry-pi-3-b-32bit-userland/sbin/init"); err == nil {
		f.Add(text)
	}
	f.Add([]byte("\x7fELF\x01\x01\x01"))
	f.Fuzz(func(_ *testing.T, text []byte) {
		if b, err := readELF(bytes.NewReader(text)); err == nil {
			(Board{CPU: CPU{Arch: ARMv6}}).Runs(b)
		}
	})
}
