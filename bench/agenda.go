package bench

import (
	"crypto/ecdsa"
	"crypto/rsa"
	"runtime"
	"time"
)

// shortEffort is for a plan, whose numbers are rounded to whole minutes. Five times
// as much gave the same figures and took a PC's core 1.25 s of CPU time instead of
// 0.2. A handshake takes a slow board a tenth of a second and more, and a plan only
// chooses between two kinds of it, which differ by half or more: a few are enough.
var (
	shortEffort      = effort{values: 6, cpu: 10 * time.Millisecond}
	shortHandshaking = effort{values: 3, cpu: 8 * time.Millisecond}
)

// shortFsyncs tell a card from a disk. Each costs CPU time, too: 2.4 ms on an emulated
// Cortex-A7.
//
// With less than a core a few are made first: they were left out else, and a plan
// without them takes the disk for a fast one. A single one may have stood still for
// a whole period of the quota, so the time is passed for the least of them.
const (
	shortFsyncs      = 30
	shortQuotaFsyncs = 10
	leastQuotaFsyncs = 5
)

// agenda lists what is measured, the most important first: when the time runs
// out, it runs out at the end of the list. quota is in cores, 0 for none.
func agenda(c clock, o Options, quota float64, rounds int, disks []*disk) ([]*step, error) {
	resolution, span := cpuResolution(c), wallWindow
	if quota > 0 {
		span = quotaWindow
	}
	// scarce is the short form with less than a core, where the time may be over after
	// the first few operations.
	scarce := o.Short && quota > 0 && quota < 1
	enough := effort{values: 60, cpu: 400 * time.Millisecond, wall: 500 * time.Millisecond}
	switch {
	case scarce:
		// What a quota costs, standing still for most of each period of 100 ms, changes
		// from one to the next. With a small share the time is over before.
		enough = effort{values: 15, cpu: 50 * time.Millisecond}
	case o.Short:
		enough = shortEffort
	}
	var list []*step
	add := func(title string, weight float64, w work) *step {
		st := &step{title: title, weight: weight, measure: newCompute(c, w, resolution, span, enough)}
		list = append(list, st)
		return st
	}
	addDisks := func(pattern string, weight float64) {
		for _, d := range disks {
			if d.pattern != pattern {
				continue
			}
			st := &step{title: pattern + " in " + d.folder, weight: weight, measure: d}
			switch {
			case scarce:
				d.effort, d.least, st.only = effort{values: shortQuotaFsyncs}, leastQuotaFsyncs, 1
			case o.Short:
				d.effort, st.only = effort{values: shortFsyncs}, 1
			}
			list = append(list, st)
		}
	}

	ofRSA, err := rsaIdentity()
	if err != nil {
		return nil, err
	}
	ofP256, err := p256Identity()
	if err != nil {
		return nil, err
	}
	shake := func(title string, weight float64, kind, key, exchange string) {
		id := ofRSA
		if key == ecdsaP256 {
			id = ofP256
		}
		h := newHandshake(c, kind, key, exchange, id)
		st := add(title, weight, work{name: h.name, parts: []string{serverSide, clientSide}, do: h.do})
		st.needed = kind == mutual
		if o.Short && !scarce {
			st.measure.(*compute).effort = shortHandshaking
		}
	}
	if scarce {
		addDisks(patternFsync, 1)
	}
	one, err := goWorkOn(1)
	if err != nil {
		return nil, err
	}
	handshakes := 2.0
	if o.Short {
		handshakes = 1
	}
	shakes := func() {
		shake("mutual TLS handshakes, RSA-2048", handshakes, mutual, rsa2048, x25519mlk)
		shake("mutual TLS handshakes, ECDSA P-256", handshakes, mutual, ecdsaP256, x25519mlk)
	}
	// With less than a core there is time for one or two handshakes, whose end cannot
	// be chosen; the Go work, in small pieces, takes what they leave.
	if scarce {
		shakes()
	}
	add("Go work on one core", 3, one).needed = true
	if !scarce {
		shakes()
	}

	// No decision rests on what all cores do at once, and it costs as many times
	// the CPU time.
	if lanes := runtime.GOMAXPROCS(0); lanes > 1 && !o.Short {
		all, err := goWorkOn(lanes)
		if err != nil {
			return nil, err
		}
		add("Go work on all cores", 3, all)
		add("all cores busy", 1.5, hashingOn(lanes)).saturates = true
	}
	if !scarce {
		addDisks(patternFsync, 3)
	}
	if o.Short {
		return list, nil
	}
	shake("probe's TLS handshakes, RSA-2048", 1.5, probe, rsa2048, x25519mlk)
	shake("probe's TLS handshakes, ECDSA P-256", 1.5, probe, ecdsaP256, x25519mlk)

	rsaList, err := rsaWorks(ofRSA.key.(*rsa.PrivateKey))
	if err != nil {
		return nil, err
	}
	var rsaSign *compute
	for i, w := range rsaList {
		st := add(w.name, 1, w)
		if i == 0 {
			rsaSign = st.measure.(*compute)
		}
	}
	p256List, err := ecdsaWorks(ofP256.key.(*ecdsa.PrivateKey))
	if err != nil {
		return nil, err
	}
	for _, w := range p256List {
		add(w.name, 1, w)
	}
	shake("probe's TLS handshakes, ECDSA P-256, X25519 alone", 1, probe, ecdsaP256, x25519)
	for _, bits := range []int{128, 256} {
		w, err := aesGCM(bits)
		if err != nil {
			return nil, err
		}
		add(w.name, 1, w)
	}
	w, err := chacha()
	if err != nil {
		return nil, err
	}
	add(w.name, 1, w)
	add("hash/sha-256", 1, hashing())
	addDisks(patternWrite, 2)
	addDisks(patternRandom, 2)

	keygen := rsaKeygen()
	keygen.long = true
	st := add(keygen.name, 12, keygen)
	st.measure.(*compute).effort = effort{values: 12}
	st.only = rounds // last of all: a single operation can take what is left
	st.estimate = func() time.Duration { return keygenEstimate(rsaSign) }
	return list, nil
}

// keygenEstimate is from signatures: a key costs 60 to 70 of them, on ARMv6 and
// on amd64; half as many again are for caution.
func keygenEstimate(sign *compute) time.Duration {
	if sign.opSum == 0 {
		return time.Hour // unknown: too long
	}
	return 3 * 70 * sign.wallSum / time.Duration(2*sign.opSum)
}
