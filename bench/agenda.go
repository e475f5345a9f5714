package bench

import (
	"crypto/ecdsa"
	"crypto/rsa"
	"runtime"
	"time"
)

// shortEffort is for a plan, whose numbers are rounded to whole minutes. Five times
// as much gave the same results and takes five times the CPU time. A handshake takes a
// slow board a tenth of a second and more, and a plan only chooses between two kinds of
// it, which differ by half or more: a few are enough.
var (
	shortEffort      = effort{values: 6, cpu: 10 * time.Millisecond}
	shortHandshaking = effort{values: 3, cpu: 8 * time.Millisecond}
)

// shortFsyncs tell a card from a disk. Each costs CPU time, too.
//
// With less than a core a few are made first: otherwise they would be left out, and a
// plan without them takes the disk for a fast one. A single one may have stood still for
// a whole period of the quota, so the time may be exceeded for the least of them.
const (
	shortFsyncs      = 30
	shortQuotaFsyncs = 10
	leastQuotaFsyncs = 5
)

// agenda lists what is measured, the most important first: when the time runs
// out, it runs out at the end of the list. quota is in cores, 0 for none.
func agenda(c clock, o Options, quota float64, rounds int, disks []*disk) ([]*step, error) {
	a := planner{clock: c, short: o.Short, resolution: cpuResolution(c), span: wallWindow, disks: disks}
	if quota > 0 {
		a.span = quotaWindow
	}
	a.scarce = o.Short && quota > 0 && quota < 1
	a.enough = effort{values: 60, cpu: 400 * time.Millisecond, wall: 500 * time.Millisecond}
	switch {
	case a.scarce:
		// What a quota costs, standing still for most of each period of 100 ms, changes
		// from one to the next. With a small share the time is over before.
		a.enough = effort{values: 15, cpu: 50 * time.Millisecond}
	case a.short:
		a.enough = shortEffort
	}
	var err error
	if a.rsa, err = rsaIdentity(); err != nil {
		return nil, err
	}
	if a.p256, err = p256Identity(); err != nil {
		return nil, err
	}
	if err := a.addNeeded(); err != nil {
		return nil, err
	}
	if !a.short {
		err = a.addRest(rounds)
	}
	return a.list, err
}

// planner makes the agenda.
type planner struct {
	clock clock
	short bool
	// scarce is the short form with less than a core, where the time may be over after
	// the first few operations.
	scarce           bool
	resolution, span time.Duration
	enough           effort
	disks            []*disk
	rsa, p256        identity
	list             []*step
}

func (a *planner) add(title string, weight float64, w work) *step {
	st := &step{title: title, weight: weight, measure: newCompute(a.clock, w, a.resolution, a.span, a.enough)}
	a.list = append(a.list, st)
	return st
}

func (a *planner) addDisks(pattern string, weight float64) {
	for _, d := range a.disks {
		if d.pattern != pattern {
			continue
		}
		st := &step{title: pattern + " in " + d.folder, weight: weight, measure: d}
		switch {
		case a.scarce:
			d.effort, d.least, st.only = effort{values: shortQuotaFsyncs}, leastQuotaFsyncs, 1
		case a.short:
			d.effort, st.only = effort{values: shortFsyncs}, 1
		}
		a.list = append(a.list, st)
	}
}

func (a *planner) addHandshake(title string, weight float64, kind, key, exchange string) {
	id := a.rsa
	if key == ecdsaP256 {
		id = a.p256
	}
	h := newHandshake(a.clock, kind, key, exchange, id)
	st := a.add(title, weight, work{name: h.name, parts: []string{serverSide, clientSide}, do: h.do})
	st.needed = kind == mutual
	if a.short && !a.scarce {
		st.measure.(*compute).effort = shortHandshaking
	}
}

func (a *planner) addMutualHandshakes() {
	weight := 2.0
	if a.short {
		weight = 1
	}
	a.addHandshake("mutual TLS handshakes, RSA-2048", weight, mutual, rsa2048, x25519mlk)
	a.addHandshake("mutual TLS handshakes, ECDSA P-256", weight, mutual, ecdsaP256, x25519mlk)
}

// addNeeded adds what a plan is made from.
func (a *planner) addNeeded() error {
	if a.scarce {
		a.addDisks(patternFsync, 1)
	}
	one, err := goWorkOn(1)
	if err != nil {
		return err
	}
	// With less than a core there is time for one or two handshakes, whose end cannot
	// be chosen; the Go work, in small pieces, takes what they leave.
	if a.scarce {
		a.addMutualHandshakes()
	}
	a.add("Go work on one core", 3, one).needed = true
	if !a.scarce {
		a.addMutualHandshakes()
	}
	// No decision rests on what all cores do at once, and it costs as many times
	// the CPU time.
	if lanes := runtime.GOMAXPROCS(0); lanes > 1 && !a.short {
		all, err := goWorkOn(lanes)
		if err != nil {
			return err
		}
		a.add("Go work on all cores", 3, all)
		a.add("all cores busy", 1.5, hashingOn(lanes)).saturates = true
	}
	if !a.scarce {
		a.addDisks(patternFsync, 3)
	}
	return nil
}

// addRest adds what the full form has besides.
func (a *planner) addRest(rounds int) error {
	a.addHandshake("probe's TLS handshakes, RSA-2048", 1.5, probe, rsa2048, x25519mlk)
	a.addHandshake("probe's TLS handshakes, ECDSA P-256", 1.5, probe, ecdsaP256, x25519mlk)
	rsaList, err := rsaWorks(a.rsa.key.(*rsa.PrivateKey))
	if err != nil {
		return err
	}
	var rsaSign *compute
	for i, w := range rsaList {
		st := a.add(w.name, 1, w)
		if i == 0 {
			rsaSign = st.measure.(*compute)
		}
	}
	p256List, err := ecdsaWorks(a.p256.key.(*ecdsa.PrivateKey))
	if err != nil {
		return err
	}
	for _, w := range p256List {
		a.add(w.name, 1, w)
	}
	a.addHandshake("probe's TLS handshakes, ECDSA P-256, X25519 alone", 1, probe, ecdsaP256, x25519)
	for _, bits := range []int{128, 256} {
		w, err := aesGCM(bits)
		if err != nil {
			return err
		}
		a.add(w.name, 1, w)
	}
	w, err := chacha()
	if err != nil {
		return err
	}
	a.add(w.name, 1, w)
	a.add("hash/sha-256", 1, hashing())
	a.addDisks(patternWrite, 2)
	a.addDisks(patternRandom, 2)

	keygen := rsaKeygen()
	keygen.long = true
	st := a.add(keygen.name, 12, keygen)
	st.measure.(*compute).effort = effort{values: 12}
	st.only = rounds // last of all: a single operation can take what is left
	st.estimate = func() time.Duration { return keygenEstimate(rsaSign) }
	return nil
}

// keygenEstimate is from signatures: a key costs 60 to 70 of them, on ARMv6 and
// on amd64; half as many again are for caution.
func keygenEstimate(sign *compute) time.Duration {
	if sign.opSum == 0 {
		return time.Hour // unknown: too long
	}
	return 3 * 70 * sign.wallSum / time.Duration(2*sign.opSum)
}
