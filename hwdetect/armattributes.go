package hwdetect

import (
	"bytes"
	"encoding/binary"
)

// parseARMAttributes finds Tag_CPU_arch in a .ARM.attributes section (Arm ABI,
// "Addenda to, and Errata in, the ABI", build attributes): a version byte 'A',
// then vendor subsections; in that of "aeabi", a file subsection (tag 1) with
// ULEB128 tags and values. Broken input gives ArchUnknown.
func parseARMAttributes(text []byte) Arch {
	if len(text) == 0 || text[0] != 'A' {
		return ArchUnknown
	}
	text = text[1:]
	for len(text) >= 4 {
		size := int(binary.LittleEndian.Uint32(text))
		if size < 4 || size > len(text) {
			return ArchUnknown
		}
		section := text[4:size]
		text = text[size:]
		vendor, rest, ok := bytes.Cut(section, []byte{0})
		if !ok || string(vendor) != "aeabi" {
			continue
		}
		for len(rest) >= 5 {
			length := int(binary.LittleEndian.Uint32(rest[1:]))
			if length < 5 || length > len(rest) {
				return ArchUnknown
			}
			if rest[0] == 1 {
				if a := cpuArch(rest[5:length]); a != ArchUnknown {
					return a
				}
			}
			rest = rest[length:]
		}
	}
	return ArchUnknown
}

// cpuArch walks the attributes of a file subsection to Tag_CPU_arch (6).
func cpuArch(attrs []byte) Arch {
	for len(attrs) > 0 {
		tag, n := binary.Uvarint(attrs)
		if n <= 0 {
			return ArchUnknown
		}
		attrs = attrs[n:]
		// Tag_CPU_raw_name, Tag_CPU_name and odd tags above 32 are strings.
		if tag == 4 || tag == 5 || tag > 32 && tag%2 == 1 {
			i := bytes.IndexByte(attrs, 0)
			if i < 0 {
				return ArchUnknown
			}
			attrs = attrs[i+1:]
			continue
		}
		value, n := binary.Uvarint(attrs)
		if n <= 0 {
			return ArchUnknown
		}
		attrs = attrs[n:]
		if tag == 32 { // Tag_compatibility: a number and a string
			i := bytes.IndexByte(attrs, 0)
			if i < 0 {
				return ArchUnknown
			}
			attrs = attrs[i+1:]
		}
		if tag != 6 {
			continue
		}
		switch {
		case value >= 1 && value <= 5:
			return ARMv5
		case value == 6, value == 7, value == 8, value == 9, value == 11, value == 12:
			return ARMv6
		case value == 10, value == 13:
			return ARMv7
		case value >= 14:
			return ARMv8
		}
		return ArchUnknown
	}
	return ArchUnknown
}
