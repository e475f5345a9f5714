package hwdetect

import "strings"

// deviceStrings splits a device tree property into its strings, each of which
// ends in a NUL byte (Devicetree Specification, 2.2.4).
func deviceStrings(property []byte) []string {
	var all []string
	for _, s := range strings.Split(string(property), "\x00") {
		if s = strings.TrimSpace(strings.ToValidUTF8(s, "?")); s != "" {
			all = append(all, s)
		}
	}
	return all
}

// deviceTree takes model and compatible of the root node.
func (b *Board) deviceTree(model, compatible []string) {
	if len(model) > 0 {
		b.Model = model[0]
	}
	b.Compatible = compatible
	if len(compatible) == 0 {
		return
	}
	// The first names the board, the last the SoC (Devicetree Specification,
	// 2.3.1: from most specific to most general).
	b.Maker = makerName(compatible[0])
	last := compatible[len(compatible)-1]
	if _, soc, ok := strings.Cut(last, ","); ok {
		b.SoC = soc
	}
}

// makerName spells a vendor prefix out, as far as boards of this project's kind
// go (Documentation/devicetree/bindings/vendor-prefixes.yaml).
func makerName(compatible string) string {
	prefix, _, _ := strings.Cut(compatible, ",")
	names := map[string]string{
		"raspberrypi": "Raspberry Pi", "cubietech": "Cubietech", "lemaker": "LeMaker", "sinovoip": "Sinovoip",
		"libretech": "Libre Computer",
		"firefly":   "Firefly", "friendlyarm": "FriendlyARM", "hardkernel": "Hardkernel", "pine64": "Pine64",
		"xunlong": "Xunlong",
		"radxa":   "Radxa", "olimex": "Olimex", "asus": "Asus", "nvidia": "NVIDIA", "amlogic": "Amlogic",
		"rockchip": "Rockchip", "solidrun": "SolidRun",
		"marvell": "Marvell", "globalscale": "Globalscale", "beagle": "BeagleBoard.org", "ti": "Texas Instruments",
		"samsung": "Samsung", "khadas": "Khadas",
	}
	if name, ok := names[prefix]; ok {
		return name
	}
	return prefix
}

// pc takes what DMI says of a board without a device tree.
func (b *Board) pc(vendor, product string) {
	b.Maker = vendor
	b.Model = product
	if product != "" && vendor != "" && !strings.Contains(product, vendor) {
		b.Model = vendor + " " + product
	}
}
