package patch

// board is a board for which golden files are kept.
type board struct {
	name string
	// settings are what it needs for a component.
	settings func(component string) Settings
}

// boards is the one place with the numbers behind the golden files: a board
// that needs some 85 s to start an API server, one that needs some 20 s, and
// one that needs nothing.
func boards() []board {
	return []board{
		{"banana-pi-m1", func(c string) Settings {
			return numbers{
				startupPeriod: 15, startupAttempts: 36, period: 15, timeout: 20,
				lease: "1m10s", renew: "46s", retry: "9s", heartbeat: "300", election: "3000",
			}.settings(c)
		}},
		{"roc-rk3328-cc", func(c string) Settings {
			return numbers{
				startupPeriod: 10, startupAttempts: 24, period: 10, timeout: 15,
				lease: "20s", renew: "13s", retry: "3s", heartbeat: "100", election: "1000",
			}.settings(c)
		}},
		{"fast", func(string) Settings { return Settings{} }},
	}
}

// numbers are what the golden boards' settings are made of.
type numbers struct {
	startupPeriod, startupAttempts, period, timeout int
	lease, renew, retry                             string
	heartbeat, election                             string
}

func (n numbers) settings(component string) Settings {
	const probing = "every probe is a new TLS handshake"
	steady := Probe{Period: n.period, Timeout: n.timeout, Reason: probing}
	liveness, readiness := steady, steady
	s := Settings{
		Startup: &Probe{
			Period: n.startupPeriod, FailureThreshold: n.startupAttempts, Timeout: n.timeout,
			Reason: "several times the expected start of the API server",
		},
		Liveness: &liveness, Readiness: &readiness,
	}
	add := func(reason string, pairs ...string) {
		for i := 0; i < len(pairs); i += 2 {
			s.Flags = append(s.Flags, Flag{Name: pairs[i], Value: pairs[i+1], Policy: AtLeast, Reason: reason})
		}
	}
	switch component {
	case "etcd":
		add("a slow disk and CPU must not miss a heartbeat", "heartbeat-interval", n.heartbeat, "election-timeout", n.election)
	case "kube-controller-manager", "kube-scheduler":
		add("a renewal is an API call, and calls take long", leaseDuration, n.lease, renewDeadline, n.renew, retryPeriod, n.retry)
	}
	return s
}
