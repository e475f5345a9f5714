package emulate

import "fmt"

// Board is a board that QEMU emulates, with the kernel that Debian has for it.
type Board struct {
	Name, Label string
	// GOARCH and GOARM are what programs for its CPU are built with.
	GOARCH, GOARM string
	// Debian is Debian's name for the architecture of Kernel, the package that
	// depends on the newest kernel. Tree is the device tree in it, empty where
	// QEMU makes one.
	Debian, Kernel, Tree string

	append string
	qemu   []string

	// A board with Kubernetes has a disk, which not every machine of QEMU's can give it.
	// withDisk is that machine then, with so many cores and bytes of memory; nil
	// where there is none.
	withDisk []string
	cores    int
	memory   int64
	// card says that this machine has no virtio: its disk is an SD card, a serial
	// line carries commands, one at a time, and no clock outlives its power.
	card bool
	// counted is the nanoseconds that an instruction takes where the board has no
	// other clock than one that counts them; 0 leaves the choice to Machine.Count.
	counted int
}

// Boards lists all boards.
func Boards() []Board {
	return []Board{
		{
			Name: "raspberrypi1", Label: "Raspberry Pi Model B", GOARCH: "arm", GOARM: "6",
			Debian: "armel", Kernel: "linux-image-rpi", Tree: "bcm2835-rpi-b.dtb",
			// This driver hangs on what QEMU emulates of the power management.
			append: "console=ttyAMA0 initcall_blacklist=bcm2835_pm_driver_init",
			qemu:   []string{"-M", "raspi1ap"},
			// Its timer matches a count, as the real one: on a host that is busy for a
			// moment the count is past it when it is set, and comes round in 71 minutes.
			// With a clock that counts instructions nothing is ever late; a real one, with
			// 700 MHz, takes about 3 ns for one.
			withDisk: []string{"-M", "raspi1ap"}, cores: 1, memory: 512 << 20, card: true, counted: 4,
		},
		{
			Name: "raspberrypi2", Label: "Raspberry Pi 2 Model B", GOARCH: "arm", GOARM: "7",
			Debian: "armhf", Kernel: "linux-image-armmp", Tree: "bcm2836-rpi-2-b.dtb",
			append: "console=ttyAMA0 initcall_blacklist=bcm2835_pm_driver_init",
			qemu:   []string{"-M", "raspi2b"},
		},
		{
			Name: "raspberrypi3", Label: "Raspberry Pi 3 Model B", GOARCH: "arm64",
			Debian: "arm64", Kernel: "linux-image-arm64", Tree: "bcm2837-rpi-3-b.dtb",
			// The first UART is the radio's; the console is the second.
			append: "console=ttyS1,115200 initcall_blacklist=bcm2835_pm_driver_init",
			qemu:   []string{"-M", "raspi3b", "-serial", "null"},
		},
		{
			Name: "cubieboard", Label: "CubieBoard 1", GOARCH: "arm", GOARM: "7",
			Debian: "armhf", Kernel: "linux-image-armmp", Tree: "sun4i-a10-cubieboard.dtb",
			append: "console=ttyS0,115200",
			qemu:   []string{"-M", "cubieboard", "-m", "1024"},
			// QEMU's own board has no Cortex-A8.
			withDisk: []string{"-M", "virt", "-cpu", "cortex-a7"}, cores: 1, memory: 1 << 30,
		},
		{
			Name: "orangepi", Label: "Orange Pi PC", GOARCH: "arm", GOARM: "7",
			Debian: "armhf", Kernel: "linux-image-armmp", Tree: "sun8i-h3-orangepi-pc.dtb",
			append: "console=ttyS0,115200",
			qemu:   []string{"-M", "orangepi-pc"},
		},
		{
			Name: "bananapi", Label: "Banana Pi class: two Cortex-A7 cores, 1 GiB", GOARCH: "arm", GOARM: "7",
			Debian: "armhf", Kernel: "linux-image-armmp",
			append:   "console=ttyAMA0",
			qemu:     []string{"-M", "virt", "-cpu", "cortex-a7", "-smp", "2", "-m", "1024"},
			withDisk: []string{"-M", "virt", "-cpu", "cortex-a7"}, cores: 2, memory: 1 << 30,
		},
		{
			Name: "rk3328", Label: "ROC-RK3328-CC class: four Cortex-A53 cores, 2 GiB", GOARCH: "arm64",
			Debian: "arm64", Kernel: "linux-image-arm64",
			append:   "console=ttyAMA0",
			qemu:     []string{"-M", "virt", "-cpu", "cortex-a53", "-smp", "4", "-m", "2048"},
			withDisk: []string{"-M", "virt", "-cpu", "cortex-a53"}, cores: 4, memory: 2 << 30,
		},
		{
			// No board of this kind exists. It runs the programs of most machines that lab
			// runs on, which are built anyway, and is the quickest to emulate there.
			Name: "amd64", Label: "a board with one 64-bit x86 core, 2 GiB", GOARCH: "amd64",
			Debian: "amd64", Kernel: "linux-image-cloud-amd64",
			append: "console=ttyS0",
			qemu:   []string{"-M", "q35", "-cpu", "max", "-m", "2048"},
			withDisk: []string{"-M", "q35,nvdimm=on", "-cpu", "max", "-vga",
				"none"}, cores: 1, memory: 2 << 30, counted: BananaPi,
		},
	}
}

// Find returns the board of that name.
func Find(name string) (Board, error) {
	names := ""
	for _, b := range Boards() {
		if b.Name == name {
			return b, nil
		}
		names += " " + b.Name
	}
	return Board{}, fmt.Errorf("board %q: want one of%s", name, names)
}

// WithDisk reports whether QEMU can give the board a disk, with how many cores and bytes
// of memory.
func (b Board) WithDisk() (cores int, memory int64, ok bool) {
	return b.cores, b.memory, b.withDisk != nil
}

// Card reports whether the board's only disk is an SD card.
func (b Board) Card() bool { return b.card }

// system is the QEMU that has the board's CPU.
func (b Board) system() string {
	switch b.GOARCH {
	case "arm64":
		return "qemu-system-aarch64"
	case "amd64":
		return "qemu-system-x86_64"
	}
	return "qemu-system-arm"
}

// pc reports whether devices are on PCI, and not where a device tree says.
func (b Board) pc() bool { return b.GOARCH == "amd64" }
