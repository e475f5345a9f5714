package host

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestSwap(t *testing.T) {
	root := tree(t, map[string]string{
		"proc/swaps": "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n/var/swap                               file\t\t102396\t\t0\t\t-2\n/dev/zram0 partition 51200 0 5\nbroken\n",
		"etc/fstab":  "# /dev/x none swap sw 0 0\nPARTUUID=1-02 / ext4 defaults 0 1\nUUID=5 none swap sw 0 0\nUUID=6 none swap noauto 0 0\n",
	})
	assert.Equal(t, SwapState{On: []Swap{{"/var/swap", 102396 << 10}, {"/dev/zram0", 51200 << 10}},
		Makers: []SwapMaker{{SwapLine, "UUID=5", "/etc/fstab", 3, "UUID=5 none swap sw 0 0", false}}},
		readSwap(filesIn(root), nil))
	assert.Equal(t, SwapState{}, readSwap(filesIn(t.TempDir()), nil))
}

// Installed is not enabled: who makes swap at the next start, by where systemd and
// the tools themselves keep it.
func TestSwapMakers(t *testing.T) {
	const wants = "etc/systemd/system/multi-user.target.wants/"
	const unit = "[Service]\nExecStart=/usr/sbin/dphys-swapfile setup\n[Install]\nWantedBy=multi-user.target\n"
	dphys := "lib/systemd/system/dphys-swapfile.service"
	for name, c := range map[string]struct {
		files map[string]string
		links map[string]string
		want  []string
	}{
		"dphys-swapfile, installed":             {map[string]string{dphys: unit, "sbin/dphys-swapfile": "#!/bin/sh\nswapon x\n"}, nil, nil},
		"dphys-swapfile, enabled":               {map[string]string{dphys: unit}, map[string]string{wants + "dphys-swapfile.service": "/lib/systemd/system/dphys-swapfile.service"}, []string{"dphys-swapfile.service"}},
		"dphys-swapfile, size 0":                {map[string]string{dphys: unit, "etc/dphys-swapfile": "CONF_SWAPSIZE=0\n"}, map[string]string{wants + "dphys-swapfile.service": "/lib/systemd/system/dphys-swapfile.service"}, nil},
		"dphys-swapfile, masked":                {map[string]string{dphys: unit}, map[string]string{wants + "dphys-swapfile.service": "/lib/systemd/system/dphys-swapfile.service", "etc/systemd/system/dphys-swapfile.service": "/dev/null"}, nil},
		"dphys-swapfile of before systemd":      {map[string]string{"etc/init.d/dphys-swapfile": "#!/bin/sh\n"}, map[string]string{"etc/rc3.d/S01dphys-swapfile": "../init.d/dphys-swapfile"}, []string{"dphys-swapfile"}},
		"an init script switched off":           {map[string]string{"etc/init.d/dphys-swapfile": "#!/bin/sh\n"}, map[string]string{"etc/rc3.d/K01dphys-swapfile": "../init.d/dphys-swapfile"}, nil},
		"an init script beside a disabled unit": {map[string]string{"etc/init.d/dphys-swapfile": "#!/bin/sh\n", dphys: unit}, map[string]string{"etc/rc3.d/S01dphys-swapfile": "../init.d/dphys-swapfile"}, nil},
		"a maker's script":                      {map[string]string{"etc/systemd/system/nvzramconfig.service": "[Unit]\nDescription=ZRAM\n[Service]\nExecStart=/etc/systemd/nvzramconfig.sh\n", "etc/systemd/nvzramconfig.sh": "#!/bin/sh\n"}, map[string]string{wants + "nvzramconfig.service": "/etc/systemd/system/nvzramconfig.service"}, []string{"nvzramconfig.service"}},
		"a script by another name":              {map[string]string{"etc/systemd/system/tune.service": "[Service]\nExecStart=/bin/sh \\\n  /opt/tune.sh\n", "opt/tune.sh": "#!/bin/sh\nmkswap /x\nswapon /x\n"}, map[string]string{wants + "tune.service": "../tune.service"}, []string{"tune.service"}},
		"a zram for logs":                       {map[string]string{"etc/systemd/system/zram-log.service": "[Service]\nExecStart=/opt/log.sh\n", "opt/log.sh": "#!/bin/sh\nmkfs.ext4 /dev/zram1\n"}, map[string]string{wants + "zram-log.service": "../zram-log.service"}, nil},
		"a package's own link":                  {map[string]string{"usr/lib/systemd/system/x-swap.service": "[Service]\nExecStart=/x\n"}, map[string]string{"usr/lib/systemd/system/sysinit.target.wants/x-swap.service": "../x-swap.service"}, []string{"x-swap.service"}},
		"a package's own link, taken away":      {map[string]string{"usr/lib/systemd/system/x-swap.service": "[Service]\nExecStart=/x\n"}, map[string]string{"usr/lib/systemd/system/sysinit.target.wants/x-swap.service": "../x-swap.service", "etc/systemd/system/sysinit.target.wants/x-swap.service": "/dev/null"}, nil},
		"a swap unit":                           {map[string]string{"etc/systemd/system/swapfile.swap": "[Swap]\nWhat=/swapfile\n"}, map[string]string{"etc/systemd/system/swap.target.wants/swapfile.swap": "../swapfile.swap"}, []string{"swapfile.swap"}},
		"a swap unit, not enabled":              {map[string]string{"etc/systemd/system/swapfile.swap": "[Swap]\nWhat=/swapfile\n"}, nil, nil},
		"a swap unit, the target masked":        {map[string]string{"etc/systemd/system/swapfile.swap": "[Swap]\n", "etc/fstab": "/swap none swap sw 0 0\n", "usr/lib/systemd/system/swap.target": "[Unit]\n"}, map[string]string{"etc/systemd/system/swap.target.wants/swapfile.swap": "../swapfile.swap", "etc/systemd/system/swap.target": "/dev/null"}, nil},
		"a line of fstab, its unit masked":      {map[string]string{"etc/fstab": "UUID=a-b none swap sw 0 0\n/var/swap none swap sw 0 0\n"}, map[string]string{`etc/systemd/system/dev-disk-by\x2duuid-a\x2db.swap`: "/dev/null"}, []string{"/var/swap"}},
		"a template's instance":                 {map[string]string{"usr/lib/systemd/system/zramswap@.service": "[Service]\nExecStart=/x %i\n"}, map[string]string{wants + "zramswap@0.service": "/usr/lib/systemd/system/zramswap@.service"}, []string{"zramswap@0.service"}},
		"zram-generator, configured":            {map[string]string{"usr/lib/systemd/system-generators/zram-generator": "x", "usr/lib/systemd/zram-generator.conf": "[zram0]\nzram-size=ram/2\n"}, nil, []string{"zram-generator"}},
		"zram-generator, only a part":           {map[string]string{"usr/lib/systemd/system-generators/zram-generator": "x", "etc/systemd/zram-generator.conf.d/a.conf": "[zram0]\n"}, nil, []string{"zram-generator"}},
		"zram-generator, configuration off":     {map[string]string{"usr/lib/systemd/system-generators/zram-generator": "x", "usr/lib/systemd/zram-generator.conf": "[zram0]\n", "etc/systemd/zram-generator.conf": ""}, nil, nil},
		"zram-generator, masked":                {map[string]string{"usr/lib/systemd/system-generators/zram-generator": "x", "etc/systemd/zram-generator.conf": "[zram0]\n"}, map[string]string{"etc/systemd/system-generators/zram-generator": "/dev/null"}, nil},
		"zram-generator, a file system":         {map[string]string{"usr/lib/systemd/system-generators/zram-generator": "x", "etc/systemd/zram-generator.conf": "[zram1]\nmount-point = /var/log\n"}, nil, nil},
		"zram-generator, no program":            {map[string]string{"etc/systemd/zram-generator.conf": "[zram0]\n"}, nil, nil},
		"Raspberry Pi OS 13":                    {map[string]string{"usr/lib/systemd/system-generators/rpi-swap-generator": "x", "etc/rpi/swap.conf": "[Main]\n#Mechanism=auto\n"}, nil, []string{"rpi-swap-generator"}},
		"Raspberry Pi OS 13, none":              {map[string]string{"usr/lib/systemd/system-generators/rpi-swap-generator": "x", "etc/rpi/swap.conf": "[Main]\nMechanism=zram\n", "etc/rpi/swap.conf.d/90.conf": "[Main]\nMechanism=none\n"}, nil, nil},
		"Armbian":                               {map[string]string{"lib/systemd/system/armbian-zram-config.service": "[Unit]\nDescription=zram\n", "etc/default/armbian-zram-config": "ENABLED=true\n# SWAP=false\n"}, map[string]string{wants + "armbian-zram-config.service": "/lib/systemd/system/armbian-zram-config.service"}, []string{"armbian-zram-config.service"}},
		"Armbian, SWAP=false":                   {map[string]string{"lib/systemd/system/armbian-zram-config.service": "[Unit]\n", "etc/default/armbian-zram-config": "SWAP=false\n"}, map[string]string{wants + "armbian-zram-config.service": "/lib/systemd/system/armbian-zram-config.service"}, nil},
		"rc.local":                              {map[string]string{"etc/rc.local": "#!/bin/sh\n# swapon no\nswapon /swapfile\nexit 0\n"}, nil, []string{"swapon /swapfile"}},
		"cron":                                  {map[string]string{"etc/cron.d/x": "@reboot root swapon /x\n5 * * * * root swapon -s\n"}, nil, []string{"@reboot root swapon /x"}},
		"systemd-swap":                          {map[string]string{"usr/lib/systemd/system/systemd-swap.service": "[Service]\nExecStart=/usr/bin/systemd-swap start\n"}, map[string]string{wants + "systemd-swap.service": "/usr/lib/systemd/system/systemd-swap.service"}, []string{"systemd-swap.service"}},
		"a unit that switches swap off":         {map[string]string{"etc/systemd/system/disable-swap.service": "[Unit]\nDescription=Disable swap for Kubernetes\n[Service]\nExecStart=/sbin/swapoff -a\n"}, map[string]string{wants + "disable-swap.service": "../disable-swap.service"}, nil},
		"a script that switches swap off":       {map[string]string{"etc/systemd/system/noswap.service": "[Service]\nExecStart=/opt/noswap.sh\n", "opt/noswap.sh": "#!/bin/sh\nswapoff -a\nswapon --show\n", "etc/rc.local": "swapoff -a; swapon -s\n", "etc/cron.d/x": "@reboot root swapoff -a\n"}, map[string]string{wants + "noswap.service": "../noswap.service"}, nil},
		"disks that are exchanged":              {map[string]string{"etc/systemd/system/bays.service": "[Unit]\nDescription=Hot-swap bays\n[Service]\nExecStart=/opt/hotswapd\n"}, map[string]string{wants + "bays.service": "../bays.service"}, nil},
		"the kubelet, which is told about swap": {map[string]string{"usr/lib/systemd/system/kubelet.service": "[Unit]\nDescription=kubelet\n[Service]\nExecStart=/usr/bin/kubelet --x\n"}, map[string]string{wants + "kubelet.service": "/usr/lib/systemd/system/kubelet.service"}, nil},
	} {
		root := tree(t, c.files)
		if _, ok := c.files["etc/rc.local"]; ok {
			require.NoError(t, os.Chmod(root+"/etc/rc.local", 0o755))
		}
		for at, to := range c.links {
			require.NoError(t, os.MkdirAll(filepath.Dir(root+"/"+at), 0o755))
			require.NoError(t, os.Symlink(to, root+"/"+at))
		}
		var got []string
		for _, m := range readSwap(filesOf(root), nil).Makers {
			got = append(got, m.Name)
		}
		assert.Equal(t, c.want, got, name)
	}
}
