package bench

import (
	"encoding/json"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestShortForm(t *testing.T) {
	r, err := Run(t.Context(), Options{Short: true, Budget: ample})
	require.NoError(t, err)
	for _, s := range r.Samples {
		assert.Positive(t, s.Median, s.Name)
		assert.NotEmpty(t, s.Values, s.Name)
		assert.LessOrEqual(t, len(s.Values), maxValues, s.Name)
	}
	best := func(name string) float64 {
		s, ok := r.Sample(name, CPU)
		require.True(t, ok, name)
		return s.P10
	}
	wall, ok := r.Sample(goWorkName+"/one-core", Wall)
	require.True(t, ok)
	assert.GreaterOrEqual(t, wall.Median, 0.5*best(goWorkName+"/one-core"),
		"one thread cannot use more CPU time than passes")
	assert.Greater(t, r.Cores.One, 0.0)
	assert.LessOrEqual(t, r.Cores.One, 1.2)
	assert.LessOrEqual(t, r.Cores.All, 1.2*float64(runtime.GOMAXPROCS(0)))
	assert.Equal(t, Schema, r.Schema)
	assert.Positive(t, r.PeakMemory)
	assert.True(t, r.SameBoot(os.DirFS("/")))
	assert.False(t, Result{}.SameBoot(os.DirFS("/does/not/exist")), "unknown is not the same as unknown")
}

func TestLongFormMeasuresEverything(t *testing.T) {
	folder := t.TempDir()
	var steps []string
	r, err := Run(t.Context(), Options{Folders: []string{folder}, Progress: func(step string, done, total int) {
		assert.LessOrEqual(t, done, total)
		steps = append(steps, step)
	}})
	require.NoError(t, err)
	assert.Equal(t, "", steps[len(steps)-1], "the last report has no step")
	for _, name := range []string{
		"sign/rsa-2048", "verify/rsa-2048", "sign/ecdsa-p256", "verify/ecdsa-p256", "keygen/ecdsa-p256",
		"seal/aes-128-gcm", "seal/aes-256-gcm", "seal/chacha20-poly1305", "hash/sha-256",
	} {
		for _, clock := range []string{CPU, Wall} {
			_, ok := r.Sample(name, clock)
			assert.True(t, ok, "%s %s", name, clock)
		}
	}
	for _, pattern := range []string{patternFsync, patternWrite, patternRandom} {
		_, ok := r.Sample(DiskSample(folder, pattern), Wall)
		assert.True(t, ok, pattern)
	}
	requireEmpty(t, folder)

	text, err := json.Marshal(r)
	require.NoError(t, err)
	back, err := Parse(text)
	require.NoError(t, err)
	assert.Equal(t, r, back)

	var table strings.Builder
	require.NoError(t, Text(&table, r))
	for _, want := range []string{"mutual, rsa-2048, x25519mlkem768", "seal/chacha20-poly1305", folder + " (",
		"2300 B appended and synced"} {
		assert.Contains(t, table.String(), want)
	}
}

func TestRunRestoresTheRuntime(t *testing.T) {
	before := debug.SetGCPercent(77)
	defer debug.SetGCPercent(before)
	cores := runtime.GOMAXPROCS(0)
	_, err := Run(t.Context(), Options{Short: true, Budget: 200 * time.Millisecond})
	require.NoError(t, err)
	assert.Equal(t, cores, runtime.GOMAXPROCS(0))
	assert.Equal(t, 77, debug.SetGCPercent(100))
}

func TestDisturbedRunSaysSo(t *testing.T) {
	for range runtime.NumCPU() {
		hog := helper(t, "burn")
		require.NoError(t, hog.Start())
		defer func() {
			hog.Process.Kill()
			hog.Wait()
		}()
	}
	r, err := Run(t.Context(), Options{Short: true, Budget: ample})
	require.NoError(t, err)
	kinds := map[string]bool{}
	for _, w := range r.Warnings {
		kinds[w.Kind] = true
	}
	assert.True(t, kinds[WarnDisturbed], "%v", r.Warnings)
	assert.Greater(t, r.Others, 0.1)
}

func TestParseRefuses(t *testing.T) {
	whole, err := json.Marshal(Result{Schema: Schema, Samples: []Sample{{Name: "x", Values: []float64{1}}}})
	require.NoError(t, err)
	for cut := range len(whole) {
		_, err := Parse(whole[:cut])
		require.ErrorIs(t, err, io.ErrUnexpectedEOF, "cut after %d bytes: %s", cut, whole[:cut])
	}
	for text, want := range map[string]string{
		`{"schema":"kubeadm-arm.bench/v9"}`: `read benchmark result: its schema is "kubeadm-arm.bench/v9", want "kubeadm-arm.bench/v1"`,
		`{"a":1}`:                           `read benchmark result: it does not say which schema it has, want "kubeadm-arm.bench/v1"`,
		`hello`:                             `read benchmark result: it is not JSON: byte 1: invalid character 'h' looking for beginning of value`,
		`{"schema":7}`:                      `read benchmark result: its schema is a number, which it cannot be`,
	} {
		_, err := Parse([]byte(text))
		assert.EqualError(t, err, want)
	}
}

func TestFormat(t *testing.T) {
	for _, c := range []struct {
		value float64
		unit  string
		want  string
	}{
		{0.0231, "s/op", "23.1 ms"}, {1.5, "s", "1.5 s"}, {135, "s", "2m15s"}, {2.3e-6, "s/op", "2.3 µs"}, {0, "s", "0 s"},
		{25.7e6, "B/s", "25.7 MB/s"}, {999.96e6, "B/s", "1000 MB/s"}, {12, "B", "12.0 B"}, {0.05, "", "0.05"}, {12345, "op",
			"12345 op"},
		{0.09999, "s", "100 ms"},
	} {
		assert.Equal(t, c.want, Format(c.value, c.unit), "%v", c)
	}
}

func TestSampleStatistics(t *testing.T) {
	s := newSample("x", CPU, SecondsPerOp, []float64{3, 1, 2, 5, 4}, 50)
	assert.Equal(t, []float64{3, 1, 2, 5, 4}, s.Values, "the order in time is kept")
	assert.InDelta(t, 3, s.Median, 0)
	assert.InDelta(t, 5, s.Max, 0)
	assert.InDelta(t, 1.0/3, s.Spread, 1e-9)
	assert.Equal(t, []Warning{{WarnNoisy, "half of the observations are more than 33 % off the median"}}, s.Warnings)

	var rising []float64
	for i := range 1000 {
		rising = append(rising, 100+float64(i)/10)
	}
	s = newSample("x", CPU, SecondsPerOp, rising, 1000)
	assert.Len(t, s.Values, maxValues)
	assert.Equal(t, 1000, s.N)
	assert.InDelta(t, 100, s.Values[0], 0)
	assert.InDelta(t, s.Max, s.Values[maxValues-1], 0)

	var jumped []float64
	for i := range 40 {
		jumped = append(jumped, 1+float64(i/20)/2)
	}
	s = newSample("x", CPU, SecondsPerOp, jumped, 40)
	assert.Contains(t, s.Warnings, Warning{WarnDrift, "the median moved by +50 % while it was being measured"})

	assert.Equal(t, []Warning{{WarnFew, "only 1 observation"}}, newSample("x", CPU, SecondsPerOp, []float64{1},
		1).Warnings)
	assert.Zero(t, newSample("x", CPU, SecondsPerOp, nil, 0).N)
}

func TestExpect(t *testing.T) {
	sample := func(name, clock, unit string, median float64) Sample {
		return Sample{Name: name, Clock: clock, Unit: unit, Median: median, N: 1}
	}
	r := Result{Cores: Cores{One: 0.05}, Samples: []Sample{
		sample("go", CPU, SecondsPerOp, 0.01), sample("go", Wall, SecondsPerOp, 0.1),
		sample("tls", Wall, SecondsPerOp, 0.1), sample("tls/server", CPU, SecondsPerOp, 0.003), sample("tls/client", CPU,
			SecondsPerOp, 0.002),
		sample("disk", Wall, SecondsPerOp, 0.02), sample("hash", CPU, BytesPerSecond, 1e9), sample("hash", Wall,
			BytesPerSecond, 1e9),
	}}
	for name, want := range map[string]float64{"go": 0.2, "tls": 0.1, "disk": 0.02} {
		got, ok := r.Expect(name)
		assert.True(t, ok, name)
		assert.InDelta(t, want, got, 1e-9, name)
	}
	for _, name := range []string{"hash", "missing"} {
		_, ok := r.Expect(name)
		assert.False(t, ok, name)
	}
}

func TestShortFormUnderAQuota(t *testing.T) {
	for _, c := range []struct {
		quota  float64
		budget time.Duration
		rounds int
	}{{0, ShortBudget, shortRounds}, {2, ShortBudget, shortRounds}, {1, ShortBudget, shortRounds}, {0.6,
		400 * time.Millisecond, 5}, {0.25, 400 * time.Millisecond, 5}, {0.1, 500 * time.Millisecond, 1},
		{0.05, time.Second, 1}, {0.01, 4500 * time.Millisecond, 1}, {0.005, 4500 * time.Millisecond, 1}} {
		assert.Equal(t, c.budget, shortBudget(c.quota), "%v", c.quota)
		assert.Equal(t, c.rounds, roundsOf(true, c.quota), "%v", c.quota)
	}
	assert.Equal(t, longRounds, roundsOf(false, 0))
}

// With a tenth of a core the time was over before the disk's turn: a plan for a card
// of 40 ms a write was made as for a disk of none.
func TestSlowBoardsAskTheDiskFirst(t *testing.T) {
	first := func(short bool, quota float64) string {
		list, err := agenda(systemClock{}, Options{Short: short}, quota, 1, newDisks(systemClock{}, "/x", nil))
		require.NoError(t, err)
		disks := 0
		for _, st := range list {
			if d, ok := st.measure.(*disk); ok && d.pattern == patternFsync {
				disks++
			}
		}
		assert.Equal(t, 1, disks)
		return list[0].title
	}
	assert.Equal(t, "fsync in /x", first(true, 0.05))
	last := func(quota float64) string {
		list, err := agenda(systemClock{}, Options{Short: true}, quota, 1, nil)
		require.NoError(t, err)
		return list[len(list)-1].title
	}
	assert.Equal(t, "Go work on one core", last(0.05), "it takes what is left")
	assert.Equal(t, "mutual TLS handshakes, ECDSA P-256", last(0))
	assert.Equal(t, "Go work on one core", first(true, 1))
	assert.Equal(t, "Go work on one core", first(true, 0))
	assert.Equal(t, "Go work on one core", first(false, 0.05))
}

// Whoever has seen enough ends the run between two rounds.
func TestEnough(t *testing.T) {
	asked, folder := 0, t.TempDir()
	ask := func(content bool) Options {
		return Options{Short: true, Budget: ample, Folders: []string{folder}, Enough: func(sofar Result) bool {
			asked++
			for _, name := range []string{goWorkName + "/one-core", "tls-v2/mutual/rsa-2048/x25519mlkem768/server",
				"tls-v2/mutual/ecdsa-p256/x25519mlkem768/client"} {
				_, ok := sofar.Sample(name, CPU)
				assert.True(t, ok, name)
			}
			return content
		}}
	}
	less, err := Run(t.Context(), ask(true))
	require.NoError(t, err)
	assert.Equal(t, 1, asked)
	more, err := Run(t.Context(), ask(false))
	require.NoError(t, err)
	assert.Equal(t, 2*(shortRounds-1), asked)
	require.Equal(t, len(more.Samples), len(less.Samples), "the disk too is measured in the first round")
	for i, s := range more.Samples {
		assert.Equal(t, s.Name, less.Samples[i].Name)
		if s.Clock == CPU {
			assert.Less(t, less.Samples[i].N, s.N, s.Name) // a batch's size is another each time
		} else if strings.HasPrefix(s.Name, "disk/") {
			assert.Equal(t, s.N, less.Samples[i].N, s.Name)
		}
	}
	for _, w := range less.Warnings {
		assert.NotEqual(t, WarnUnfinished, w.Kind, w.Text)
	}
}

// Seen in the short form, which tries one core: a board with two was said to give
// all threads together one.
func TestUntriedCoresAreNotTold(t *testing.T) {
	r := Result{Cores: Cores{One: 0.99}, Runtime: Go{CPUs: 2}}
	assert.NotContains(t, Summary(r), "all together")
	r.Cores.All = 1.9
	assert.Contains(t, Summary(r), "one thread gets 0.99 cores, all together 1.90 of 2")
}
