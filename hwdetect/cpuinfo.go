package hwdetect

import (
	"bufio"
	"io"
	"strings"
)

// CPUInfo is /proc/cpuinfo (proc_cpuinfo(5)): on ARM blocks of "key : value"
// lines, one block per processor, and a trailer about the whole board
// (arch/arm/kernel/setup.c, arch/arm64/kernel/cpuinfo.c). Old kernels write one
// block for all, with the name under "Processor".
type CPUInfo struct {
	Processors []ProcessorInfo
	// Hardware, Revision and Model are the trailer's.
	Hardware, Revision, Model string
}

// ProcessorInfo is one processor's block. Keys keep the kernel's meaning.
type ProcessorInfo struct {
	ModelName, Implementer, Part, Architecture, Vendor string
	// ISA is RISC-V's, such as "rv64imafdc".
	ISA      string
	Features []string
}

// maxProcessors bounds a broken or hostile file.
const maxProcessors = 4096

// ParseCPUInfo reads what it can and never fails. Of doubled lines in one block
// the first counts.
func ParseCPUInfo(r io.Reader) CPUInfo {
	var info CPUInfo
	var p ProcessorInfo
	var shared ProcessorInfo // lines of an old kernel's trailer
	open := false
	flush := func() {
		if open && len(info.Processors) < maxProcessors {
			info.Processors = append(info.Processors, p)
		}
		p, open = ProcessorInfo{}, false
	}
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, 64<<10), 1<<20)
	for lines.Scan() {
		key, value, ok := strings.Cut(lines.Text(), ":")
		key, value = strings.TrimSpace(key), strings.TrimSpace(value)
		if !ok {
			continue
		}
		into := &p
		if !open {
			into = &shared
		}
		first := func(field *string) {
			if *field == "" {
				*field = value
			}
		}
		switch key {
		case "processor":
			flush()
			open = true
		case "Processor", "model name":
			first(&into.ModelName)
		case "vendor_id":
			first(&into.Vendor)
		case "isa":
			first(&into.ISA)
		case "CPU implementer":
			first(&into.Implementer)
		case "CPU part":
			first(&into.Part)
		case "CPU architecture":
			first(&into.Architecture)
		case "Features", "flags":
			if into.Features == nil {
				into.Features = strings.Fields(value)
			}
		case "Hardware":
			first(&info.Hardware)
		case "Revision":
			first(&info.Revision)
		case "Model":
			first(&info.Model)
		}
		if open && (key == "Hardware" || key == "Revision" || key == "Serial") {
			flush()
		}
	}
	flush()
	return merge(info, shared)
}

// merge fills what a processor's block lacks from the lines that stood outside
// of any: kernels 3.x write "Processor" first and Features, implementer and
// part after all the processor numbers.
func merge(info CPUInfo, shared ProcessorInfo) CPUInfo {
	if len(info.Processors) == 0 && (shared.ModelName != "" || shared.Part != "") {
		info.Processors = []ProcessorInfo{{}}
	}
	last := ProcessorInfo{}
	if n := len(info.Processors); n > 0 {
		last = info.Processors[n-1]
	}
	fill := func(field *string, values ...string) {
		for _, v := range values {
			if *field == "" {
				*field = v
			}
		}
	}
	for i := range info.Processors {
		p := &info.Processors[i]
		fill(&p.ModelName, shared.ModelName)
		fill(&p.Architecture, shared.Architecture, last.Architecture)
		if p.Part == "" {
			// The last block of an old kernel carries the lines of all.
			fill(&p.Implementer, shared.Implementer, last.Implementer)
			fill(&p.Part, shared.Part, last.Part)
		}
		if p.Features == nil {
			p.Features = shared.Features
			if p.Features == nil {
				p.Features = last.Features
			}
		}
	}
	return info
}
