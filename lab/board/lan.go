package board

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/kubeadm-arm/kubeadm-arm/lab/cache"
	"github.com/kubeadm-arm/kubeadm-arm/lab/network"
)

// A board of a network is found by the others: by its address, of which the last byte also
// makes its hardware address and the range of its pods, and by its name in /etc/hosts.

// EndpointName stands for the boards of a network that were made with --endpoint. It is the
// name that Kubernetes' own guides use for a controlPlaneEndpoint.
const EndpointName = "cluster-endpoint"

// neighbours are the boards of b's network, b's own record as it is now among them.
func (b *Board) neighbours() ([]*Board, error) {
	all, err := All()
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(o *Board) bool { return o.Network != b.Network || o.Name == b.Name })
	all = append(all, b)
	slices.SortFunc(all, func(x, y *Board) int { return x.number() - y.number() })
	return all, nil
}

// checkShares finds boards of one network that could not have their CPU shares at the same
// time.
func (b *Board) checkShares() error {
	if b.Network == "" {
		return nil
	}
	all, err := b.neighbours()
	if err != nil {
		return err
	}
	sum, names := 0.0, []string{}
	for _, o := range all {
		sum += o.Limits.CPU
		names = append(names, fmt.Sprintf("%s %.4g %%", o.Name, o.Limits.CPU*100))
	}
	if cores := runtime.NumCPU(); sum > float64(cores) {
		return fmt.Errorf("network %s: its boards would have %.4g %% of a core together, and this machine has %d cores: %s"+
			"\nhint: lower --cpu", b.Network, sum*100, cores, strings.Join(names, ", "))
	}
	return nil
}

// takeAddress gives a board of a network the address that it was to have, or else the
// first free one. It is the board's once its record is written, until when the caller
// keeps the lock.
func (b *Board) takeAddress() (unlock func(), err error) {
	if b.Network == "" {
		return func() {}, nil
	}
	_, unlock, err = b.lan(context.Background())
	if err != nil {
		return nil, err
	}
	all, err := b.neighbours()
	if err == nil {
		err = b.chooseAddress(all)
	}
	if err != nil {
		unlock()
		return nil, err
	}
	return unlock, nil
}

// chooseAddress is takeAddress among these boards.
func (b *Board) chooseAddress(all []*Board) error {
	taken := map[string]string{}
	for _, o := range all {
		if o.Name != b.Name {
			taken[o.NodeIP] = o.Name
		}
	}
	first := netip.MustParseAddr(DefaultNodeIP)
	free := func(a netip.Addr) bool { return taken[a.String()] == "" }
	if b.NodeIP != "" {
		a, err := netip.ParseAddr(b.NodeIP)
		if n := b.number(); err != nil || !netip.PrefixFrom(first, 24).Masked().Contains(a) || n < 2 || n > 254 {
			return fmt.Errorf("address %s: want 10.88.0.2 to 10.88.0.254 in a network", b.NodeIP)
		}
		if !free(a) {
			return fmt.Errorf("address %s: board %s of network %s has it", b.NodeIP, taken[b.NodeIP], b.Network)
		}
		return nil
	}
	for a := first; a.As4()[3] < 255; a = a.Next() {
		if free(a) {
			b.NodeIP = a.String()
			return nil
		}
	}
	return fmt.Errorf("network %s: no address is left", b.Network)
}

// number is the last byte of the board's address.
func (b *Board) number() int {
	n, _ := strconv.Atoi(b.NodeIP[strings.LastIndexByte(b.NodeIP, '.')+1:])
	return n
}

// podSubnet is the range of the board's own pods, of the cluster's 10.244.0.0/16.
func (b *Board) podSubnet() string {
	if b.Network == "" {
		return "10.244.0.0/24"
	}
	return fmt.Sprintf("10.244.%d.0/24", b.number())
}

// lan is the board's network, locked.
func (b *Board) lan(ctx context.Context) (n network.Network, unlock func(), err error) {
	if n, err = network.Of(b.Network); err == nil {
		unlock, err = n.Lock(ctx)
	}
	return n, unlock, err
}

// onLAN does something on the board's network while it is locked, and nothing without one.
func (b *Board) onLAN(ctx context.Context, do func(network.Network) error) error {
	if b.Network == "" {
		return nil
	}
	n, unlock, err := b.lan(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	return do(n)
}

// plugIn gives the board's namespace its eth0, before its process 1 looks for it.
func (b *Board) plugIn(ctx context.Context) error {
	return b.onLAN(ctx, func(n network.Network) error {
		// Locally administered, and the address.
		mac := fmt.Sprintf("02:00:0a:58:00:%02x", b.number())
		if err := n.Plug(b.First.PID, mac); err != nil {
			return err
		}
		return n.Set(b.First.PID, b.Link)
	})
}

// SetLink changes the state of the board's cable, also for later starts.
func (b *Board) SetLink(ctx context.Context, l network.Link) error {
	if b.Network == "" {
		return fmt.Errorf("board %s: it is in no network; see lab up --network", b.Name)
	}
	return b.onLAN(ctx, func(n network.Network) error {
		if err := n.Set(b.First.PID, l); err != nil {
			return err
		}
		b.Link = l
		return b.Save()
	})
}

// introduce makes a started board and the others of its network known to each other.
func (b *Board) introduce(ctx context.Context) error {
	return b.onLAN(ctx, func(network.Network) error {
		all, err := b.neighbours()
		if err != nil {
			return err
		}
		return introduce(all)
	})
}

// leave has the others forget a board that is gone, and ends the switch after the last one.
func (b *Board) leave() error {
	return b.onLAN(context.Background(), func(n network.Network) error {
		all, err := b.neighbours()
		if err != nil {
			return err
		}
		all = slices.DeleteFunc(all, func(o *Board) bool { return o.Name == b.Name })
		if len(all) == 0 {
			return n.End()
		}
		return introduce(all)
	})
}

// introduce tells each of a network's boards that runs of the others: by name, and where
// their pods are.
func introduce(all []*Board) error {
	var failed error
	for _, b := range all {
		if !b.ready() {
			continue
		}
		err := b.writeHosts(all)
		for _, o := range all {
			if err == nil && o.Name != b.Name && !b.Bare && !o.Bare {
				err = network.Route(b.First.PID, o.podSubnet(), o.NodeIP)
			}
		}
		// One that goes down meanwhile need not know.
		if err != nil && b.First.Alive() {
			failed = errors.Join(failed, fmt.Errorf("board %s: %w", b.Name, err))
		}
	}
	return failed
}

// hostsBegin and hostsEnd are the lines around those that lab keeps in /etc/hosts.
const hostsBegin, hostsEnd = "# lab: the boards of this network\n", "# lab: end\n"

// hosts are lab's lines in /etc/hosts for these boards.
func (b *Board) hosts(all []*Board) string {
	if b.Network == "" {
		return b.NodeIP + " " + b.Name + "\n"
	}
	text := hostsBegin
	for _, o := range all {
		text += o.NodeIP + " " + o.Name + "\n"
	}
	for _, o := range all {
		if o.Endpoint {
			text += o.NodeIP + " " + EndpointName + "\n"
		}
	}
	return text + hostsEnd
}

// writeHosts renews lab's lines in a running board's /etc/hosts. All others stay; without
// those around lab's, nothing is changed.
func (b *Board) writeHosts(all []*Board) error {
	path := filepath.Join("/proc", strconv.Itoa(b.First.PID), "root/etc/hosts")
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	before, rest, began := strings.Cut(string(text), hostsBegin)
	_, after, ended := strings.Cut(rest, hostsEnd)
	if !began || !ended {
		return nil
	}
	return cache.Replace(path,
		func(to string) error { return os.WriteFile(to, []byte(before+b.hosts(all)+after), 0o644) })
}
