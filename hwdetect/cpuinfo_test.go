package hwdetect

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

// The forms below are the kernel's (arch/arm/kernel/setup.c and
// arch/arm64/kernel/cpuinfo.c), with the values that the boards report.
const (
	pi1 = `processor	: 0
model name	: ARMv6-compatible processor rev 7 (v6l)
BogoMIPS	: 697.95
Features	: half thumb fastmult vfp edsp java tls
CPU implementer	: 0x41
CPU architecture: 7
CPU variant	: 0x0
CPU part	: 0xb76
CPU revision	: 7

Hardware	: BCM2835
Revision	: 000e
Serial		: 0000000000000000
`
	bananaPi = `processor	: 0
model name	: ARMv7 Processor rev 4 (v7l)
Features	: half thumb fastmult vfp edsp neon vfpv3 tls vfpv4 idiva idivt vfpd32 lpae evtstrm
CPU implementer	: 0x41
CPU architecture: 7
CPU part	: 0xc07

processor	: 1
model name	: ARMv7 Processor rev 4 (v7l)
Features	: half thumb fastmult vfp edsp neon vfpv3 tls vfpv4 idiva idivt vfpd32 lpae evtstrm
CPU implementer	: 0x41
CPU architecture: 7
CPU part	: 0xc07

Hardware	: Allwinner sun7i (A20) Family
`
	// Linux 3.x: one Processor line before, everything else after.
	oldKernel = `Processor	: ARMv6-compatible processor rev 7 (v6l)
BogoMIPS	: 697.95
Features	: swp half thumb fastmult vfp edsp java tls
CPU implementer	: 0x41
CPU architecture: 7
CPU part	: 0xb76

Hardware	: BCM2708
Revision	: 1000002
`
	rk3399 = `processor	: 0
Features	: fp asimd evtstrm aes pmull sha1 sha2 crc32
CPU implementer	: 0x41
CPU architecture: 8
CPU part	: 0xd03

processor	: 4
Features	: fp asimd evtstrm aes pmull sha1 sha2 crc32
CPU implementer	: 0x41
CPU architecture: 8
CPU part	: 0xd08
`
)

func boardOf(text string) Board {
	var b Board
	b.cpu(ParseCPUInfo(strings.NewReader(text)))
	return b
}

func TestThePi1DoesNotFoolUs(t *testing.T) {
	for name, text := range map[string]string{"today's kernel": pi1, "an old kernel": oldKernel} {
		b := boardOf(text)
		assert.Equal(t, ARMv6, b.CPU.Arch, name)
		assert.Equal(t, []CoreType{{"ARM1176", "0x41", "0xb76", 1}}, b.CPU.Cores, name)
		assert.True(t, b.CPU.Features.VFP, name)
		assert.False(t, b.CPU.Features.NEON, name)
		assert.Equal(t, "Raspberry Pi Model B", b.Model, name)
	}
}

func TestCores(t *testing.T) {
	b := boardOf(bananaPi)
	assert.Equal(t, ARMv7, b.CPU.Arch)
	assert.Equal(t, []CoreType{{"Cortex-A7", "0x41", "0xc07", 2}}, b.CPU.Cores)
	assert.True(t, b.CPU.Features.NEON)
	assert.True(t, b.CPU.Features.IDIV)
	assert.False(t, b.CPU.Features.AES)

	b = boardOf(rk3399)
	assert.Equal(t, ARMv8, b.CPU.Arch)
	assert.Equal(t, []CoreType{{"Cortex-A53", "0x41", "0xd03", 1}, {"Cortex-A72", "0x41", "0xd08", 1}}, b.CPU.Cores)
	assert.True(t, b.CPU.Features.AES)
}

func TestOddInput(t *testing.T) {
	for name, text := range map[string]string{
		"empty": "", "no colon": "processor 0\n", "doubled": "processor : 0\nCPU part : 0xc07\nCPU part : 0xb76\nCPU implementer : 0x41\n",
		"no features": "processor : 0\nCPU part : 0xd03\nCPU implementer : 0x41\n", "long line": "processor : 0\nFeatures : " + strings.Repeat("x ", 100000) + "\n",
		"noise": "\x00\xff:\n:::\n: x\nprocessor:\n",
	} {
		assert.NotPanics(t, func() { boardOf(text) }, name)
	}
	assert.Equal(t, ARMv7,
		boardOf("processor : 0\nCPU part : 0xc07\nCPU part : 0xb76\nCPU implementer : 0x41\n").CPU.Arch, "the first of "+
			"doubled lines counts")
}

func TestRevision(t *testing.T) {
	for code, want := range map[string]string{
		"000e": "Raspberry Pi Model B", "1000002": "Raspberry Pi Model B", "0010": "Raspberry Pi Model B Plus", "900092": "Raspberry Pi Zero",
		"a01041": "Raspberry Pi 2 Model B", "a02082": "Raspberry Pi 3 Model B", "c03111": "Raspberry Pi 4 Model B", "c04170": "Raspberry Pi 5",
		"": "", "zzzz": "", "ffffffff": "", "0000": "",
	} {
		assert.Equal(t, want, raspberryByRevision(code, "BCM2835"), code)
	}
	assert.Empty(t, raspberryByRevision("000e", "Allwinner sun7i (A20) Family"))
}

func TestCountCores(t *testing.T) {
	for text, want := range map[string]int{"0\n": 1, "0-3\n": 4, "0-1,4,6-7": 5, "": 0, "3-1": 0, "x": 0, "-1": 0,
		"0-99999999": 0} {
		assert.Equal(t, want, countCores([]byte(text)), text)
	}
}

func TestDeviceStrings(t *testing.T) {
	assert.Equal(t, []string{"raspberrypi,model-b", "brcm,bcm2835"},
		deviceStrings([]byte("raspberrypi,model-b\x00brcm,bcm2835\x00")))
	var b Board
	b.deviceTree([]string{"Cubietech Cubieboard"}, []string{"cubietech,a10-cubieboard", "allwinner,sun4i-a10"})
	assert.Equal(t, "Cubietech", b.Maker)
	assert.Equal(t, "sun4i-a10", b.SoC)
}

func FuzzParseCPUInfo(f *testing.F) {
	for _, text := range []string{pi1, bananaPi, oldKernel, rk3399} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(_ *testing.T, text []byte) {
		var b Board
		b.cpu(ParseCPUInfo(bytes.NewReader(text)))
		b.gaps()
	})
}

func FuzzCountCores(f *testing.F) {
	f.Add([]byte("0-3,5"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if n := countCores(text); n < 0 || n > maxProcessors {
			t.Fatal(n)
		}
	})
}

func FuzzParseARMAttributes(f *testing.F) {
	f.Add([]byte("A\x1e\x00\x00\x00aeabi\x00\x01\x14\x00\x00\x00\x05ARM v6\x00\x06\x09\x08\x01"))
	f.Fuzz(func(_ *testing.T, text []byte) { parseARMAttributes(text) })
}
