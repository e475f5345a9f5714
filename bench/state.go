package bench

import (
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"
)

// State is what the kernel tells about the things that spoil a measurement.
// Every part is absent where it does not tell.
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

// Firmware is the word that a Raspberry Pi's firmware keeps about its throttling,
// https://www.raspberrypi.com/documentation/computers/os.html#get_throttled.
type Firmware struct {
	Word uint32 `json:"word"`
}

// The bits of the firmware's word that mean "now". Sixteen places higher the
// same bit means "has happened since boot".
const (
	firmwareUndervoltage = 1 << 0
	firmwareCapped       = 1 << 1
	firmwareThrottled    = 1 << 2
	firmwareSoftLimit    = 1 << 3
)

// firmwareFiles are where kernels put the word; the folder of the SoC bus has
// been renamed over time.
var firmwareFiles = [...]string{
	"sys/devices/platform/soc*/*firmware/get_throttled",
	"sys/devices/platform/*firmware/get_throttled",
}

func readState(root fs.FS) State {
	s := State{Firmware: readFirmware(root), Undervoltage: readVoltageAlarm(root)}
	if text, err := fs.ReadFile(root, "proc/meminfo"); err == nil {
		if m, err := parseMeminfo(text); err == nil {
			s.Memory = &m
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
		clocks = append(clocks, CPUClock{path.Base(policy), 1000 * float64(current), 1000 * float64(limit), 1000 * float64(maximum)})
	}
	return clocks
}

func readFirmware(root fs.FS) *Firmware {
	for _, pattern := range firmwareFiles {
		for _, file := range glob(root, pattern) {
			text, err := fs.ReadFile(root, file)
			if err != nil {
				continue
			}
			if word, err := parseThrottled(string(text)); err == nil {
				return &Firmware{word}
			}
		}
	}
	return nil
}

// parseThrottled reads the firmware's word: hexadecimal, with or without 0x.
// `vcgencmd get_throttled` writes the same with "throttled=" before it.
func parseThrottled(text string) (uint32, error) {
	text = strings.TrimPrefix(strings.TrimSpace(text), "throttled=")
	digits := strings.TrimPrefix(strings.ToLower(text), "0x")
	word, err := strconv.ParseUint(digits, 16, 32)
	if err != nil {
		return 0, fmt.Errorf("parse get_throttled %q: %w", text, err)
	}
	return uint32(word), nil
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

// parseMeminfo reads /proc/meminfo (proc_meminfo(5)). Kernels before 3.14 have
// no MemAvailable: there free memory and page cache stand in for it.
func parseMeminfo(text []byte) (Memory, error) {
	values := map[string]uint64{}
	for line := range strings.Lines(string(text)) {
		name, rest, ok := strings.Cut(line, ":")
		fields := strings.Fields(rest)
		if !ok || len(fields) != 2 || fields[1] != "kB" {
			continue
		}
		kilobytes, err := strconv.ParseUint(fields[0], 10, 54)
		if err != nil {
			return Memory{}, fmt.Errorf("parse /proc/meminfo: %s: %w", name, err)
		}
		values[name] = 1024 * kilobytes
	}
	m := Memory{
		Total: values["MemTotal"], SwapTotal: values["SwapTotal"], SwapFree: values["SwapFree"],
	}
	if m.Total == 0 {
		return Memory{}, fmt.Errorf("parse /proc/meminfo: no MemTotal")
	}
	available, ok := values["MemAvailable"]
	if !ok {
		available = values["MemFree"] + values["Buffers"] + values["Cached"]
	}
	m.Available = available
	return m, nil
}

// stateWarnings compares before and after. Loaded are the clocks read while
// every core was busy, nil when that was not measured.
func stateWarnings(before, after State, loaded []CPUClock) []Warning {
	var found []Warning
	if after.Firmware != nil {
		found = append(found, firmwareWarnings(before.Firmware, after.Firmware)...)
	} else if after.Undervoltage != nil && *after.Undervoltage {
		found = append(found, Warning{WarnUndervoltage, "the kernel reports too little voltage: the power supply or its cable is too weak"})
	}
	for _, c := range loaded {
		switch {
		case c.Limit < 0.95*c.Maximum:
			found = append(found, Warning{WarnThrottled, fmt.Sprintf("the clock of %s may not exceed %.0f of its %.0f MHz", c.Policy, c.Limit/1e6, c.Maximum/1e6)})
		case c.Current < 0.9*c.Limit:
			found = append(found, Warning{WarnThrottled, fmt.Sprintf("under load the clock of %s was %.0f of %.0f MHz", c.Policy, c.Current/1e6, c.Limit/1e6)})
		}
	}
	if len(after.Cooling) > 0 {
		found = append(found, Warning{WarnThrottled, "the kernel slowed the board to cool it: " + strings.Join(after.Cooling, ", ")})
	}
	if m := after.Memory; m != nil && m.Available < m.Total/10 {
		found = append(found, Warning{WarnMemory, fmt.Sprintf("only %d of %d MB of memory are available", m.Available>>20, m.Total>>20)})
	}
	return found
}

func firmwareWarnings(before, after *Firmware) []Warning {
	var found []Warning
	for _, bit := range [...]struct {
		mask uint32
		kind string
		what string
	}{
		{firmwareUndervoltage, WarnUndervoltage, "too little voltage: the power supply or its cable is too weak"},
		{firmwareCapped, WarnThrottled, "the firmware capped the clock"},
		{firmwareThrottled, WarnThrottled, "the firmware throttled the board"},
		{firmwareSoftLimit, WarnThrottled, "the soft temperature limit was reached"},
	} {
		past := bit.mask << 16
		switch {
		case after.Word&bit.mask != 0, before != nil && before.Word&bit.mask != 0:
			found = append(found, Warning{bit.kind, "now: " + bit.what})
		case after.Word&past != 0 && before != nil && before.Word&past == 0:
			found = append(found, Warning{bit.kind, "during the benchmark: " + bit.what})
		case after.Word&past != 0:
			found = append(found, Warning{bit.kind, "since the board booted: " + bit.what})
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
