package bench

import (
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"

	"github.com/kubeadm-arm/kubeadm-arm/internal/linux"
)

// State is what the kernel reports about the things that spoil a measurement.
// Every part is absent where it does not report it.
type State struct {
	Memory       *Memory       `json:"memory,omitempty"`
	Firmware     *Firmware     `json:"firmware,omitempty"`
	Temperatures []Temperature `json:"temperatures,omitempty"`
	Clocks       []CPUClock    `json:"clocks,omitempty"`
	// Undervoltage is the alarm of the kernel's rpi_volt driver.
	Undervoltage *bool `json:"undervoltage,omitempty"`
	// Cooling names the cooling devices that slow something down at the moment.
	Cooling []string `json:"cooling,omitempty"`
}

// Memory is in bytes.
type Memory struct {
	Total     uint64 `json:"total"`
	Available uint64 `json:"available"`
	SwapTotal uint64 `json:"swapTotal"`
	SwapFree  uint64 `json:"swapFree"`
}

// Temperature is of one thermal zone, in degrees Celsius.
type Temperature struct {
	Zone    string  `json:"zone"`
	Celsius float64 `json:"celsius"`
}

// CPUClock is one cpufreq policy, in hertz.
type CPUClock struct {
	Policy  string  `json:"policy"`
	Current float64 `json:"current"`
	// Limit is the highest clock allowed now, Maximum what the CPU can do.
	Limit   float64 `json:"limit"`
	Maximum float64 `json:"maximum"`
}

// Firmware is what a Raspberry Pi's firmware says about its power and heat.
type Firmware struct {
	Word linux.Throttled `json:"word"`
}

func readState(root fs.FS) State {
	s := State{Undervoltage: readVoltageAlarm(root)}
	if word, ok := linux.ReadThrottled(root); ok {
		s.Firmware = &Firmware{word}
	}
	if text, err := fs.ReadFile(root, "proc/meminfo"); err == nil {
		if m, err := linux.ParseMeminfo(text); err == nil {
			memory := Memory(m)
			s.Memory = &memory
		}
	}
	for _, zone := range glob(root, "sys/class/thermal/thermal_zone*") {
		milli, err := readInt(root, zone+"/temp")
		if err != nil {
			continue
		}
		name, err := readLine(root, zone+"/type")
		if err != nil {
			name = path.Base(zone)
		}
		s.Temperatures = append(s.Temperatures, Temperature{name, float64(milli) / 1000})
	}
	for _, device := range glob(root, "sys/class/thermal/cooling_device*") {
		name, err := readLine(root, device+"/type")
		// A fan that turns slows nothing down.
		if err != nil || !strings.Contains(name, "cpufreq") && !strings.Contains(name, "devfreq") && name != "Processor" {
			continue
		}
		if level, err := readInt(root, device+"/cur_state"); err == nil && level > 0 {
			s.Cooling = append(s.Cooling, name)
		}
	}
	s.Clocks = readClocks(root)
	return s
}

// readClocks reads Documentation/admin-guide/pm/cpufreq.rst's policy folders, in kHz.
func readClocks(root fs.FS) []CPUClock {
	var clocks []CPUClock
	for _, policy := range glob(root, "sys/devices/system/cpu/cpufreq/policy*") {
		current, err := readInt(root, policy+"/scaling_cur_freq")
		if err != nil || current <= 0 {
			continue
		}
		maximum, err := readInt(root, policy+"/cpuinfo_max_freq")
		if err != nil || maximum <= 0 {
			continue
		}
		limit, err := readInt(root, policy+"/scaling_max_freq")
		if err != nil || limit <= 0 {
			limit = maximum
		}
		clocks = append(clocks, CPUClock{path.Base(policy), 1000 * float64(current), 1000 * float64(limit),
			1000 * float64(maximum)})
	}
	return clocks
}

// readVoltageAlarm reads Documentation/hwmon/raspberrypi-hwmon.rst.
func readVoltageAlarm(root fs.FS) *bool {
	for _, device := range glob(root, "sys/class/hwmon/hwmon*") {
		if name, err := readLine(root, device+"/name"); err != nil || name != "rpi_volt" {
			continue
		}
		if alarm, err := readInt(root, device+"/in0_lcrit_alarm"); err == nil {
			low := alarm != 0
			return &low
		}
	}
	return nil
}

// stateWarnings compares before and after. Loaded are the clocks read while
// every core was busy, nil when that was not measured.
func stateWarnings(before, after State, loaded []CPUClock) []Warning {
	var found []Warning
	if after.Firmware != nil {
		found = append(found, firmwareWarnings(before.Firmware, after.Firmware)...)
	} else if after.Undervoltage != nil && *after.Undervoltage {
		found = append(found, Warning{WarnUndervoltage, "the kernel reports too little voltage: the power supply or its " +
			"cable is too weak"})
	}
	for _, c := range loaded {
		switch {
		case c.Limit < 0.95*c.Maximum:
			found = append(found, Warning{WarnThrottled, fmt.Sprintf("the clock of %s may not exceed %.0f of its %.0f MHz",
				c.Policy, c.Limit/1e6, c.Maximum/1e6)})
		case c.Current < 0.9*c.Limit:
			found = append(found, Warning{WarnThrottled, fmt.Sprintf("under load the clock of %s was %.0f of %.0f MHz", c.Policy,
				c.Current/1e6, c.Limit/1e6)})
		}
	}
	if len(after.Cooling) > 0 {
		found = append(found, Warning{WarnThrottled, "the kernel slowed the board to cool it: " + strings.Join(after.Cooling,
			", ")})
	}
	if m := after.Memory; m != nil && m.Available < m.Total/10 {
		found = append(found, Warning{WarnMemory, fmt.Sprintf("only %d of %d MB of memory are available", m.Available>>20,
			m.Total>>20)})
	}
	return found
}

func firmwareWarnings(before, after *Firmware) []Warning {
	var found []Warning
	for _, c := range [...]struct {
		bit  linux.Throttled
		kind string
		what string
	}{
		{linux.Undervoltage, WarnUndervoltage, "too little voltage: the power supply or its cable is too weak"},
		{linux.ClockCapped, WarnThrottled, "the firmware capped the clock"},
		{linux.SlowedDown, WarnThrottled, "the firmware throttled the board"},
		{linux.SoftTemperatureLimit, WarnThrottled, "the soft temperature limit was reached"},
	} {
		switch {
		case after.Word.Now(c.bit), before != nil && before.Word.Now(c.bit):
			found = append(found, Warning{c.kind, "now: " + c.what})
		case after.Word.Since(c.bit) && before != nil && !before.Word.Since(c.bit):
			found = append(found, Warning{c.kind, "during the benchmark: " + c.what})
		case after.Word.Since(c.bit):
			found = append(found, Warning{c.kind, "since the board booted: " + c.what})
		}
	}
	return found
}

func glob(root fs.FS, pattern string) []string {
	files, err := fs.Glob(root, pattern)
	if err != nil {
		panic("bench: glob " + pattern + ": " + err.Error()) // the patterns are constants
	}
	return files
}

func readLine(root fs.FS, file string) (string, error) {
	text, err := fs.ReadFile(root, file)
	return strings.TrimSpace(string(text)), err
}

func readInt(root fs.FS, file string) (int64, error) {
	text, err := readLine(root, file)
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(text, 10, 64)
}

// BusyCPU returns the CPU seconds that all processes and the kernel of the board
// have used since it started (proc_stat(5)), and 0 where the kernel does not say or,
// under a CPU quota, counts more than this board. root is the root folder that the
// kernel's files are read from.
func BusyCPU(root fs.FS) float64 {
	text, err := fs.ReadFile(root, "proc/stat")
	if err != nil {
		return 0
	}
	t, err := linux.ParseCPUTimes(text)
	if quota, _ := readCgroupCPU(root); err != nil || quota.cores > 0 {
		return 0
	}
	return t.Busy
}
