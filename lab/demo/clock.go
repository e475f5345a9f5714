package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/kubeadm-arm/kubeadm-arm/lab/drive"
)

// All times are those of the board's own clock, read on the board: where that counts
// instructions, what lab and this program take from command to command is nothing
// that the board knows of, or much of its time when it is idle.

// bootstrapScript runs a command and, once that has succeeded, waits for the node $0,
// each for at most $1 seconds. It leaves the times and, on an emulated board, what was
// used until then in /run. One process watches the node, since asking again and again
// would cost a slow board more than what it waits for; a lost connection ends it.
const bootstrapScript = `
limit=$1; shift
at=${LAB_TIMES:-/run}
rm -f $at/lab-*
seen() {
	if test -x /usr/lib/lab/guest; then /usr/lib/lab/guest usage > $at/lab-$1; return; fi
	read -r now rest < /proc/uptime
	echo "{\"uptimeSeconds\": $now}" > $at/lab-$1
}
run() { timeout --foreground --signal=INT --kill-after=60 "$limit" "$@"; }
seen began
if test -z "$LAB_STALL_AT"; then
	run "$@"
	code=$?
else
	# The board is kept from working when the command has said something, a line of
	# LAB_STALL_AT each time.
	mkfifo $at/lab-pipe
	tee $at/lab-output < $at/lab-pipe &
	(IFS='
'; set -f; exec /usr/lib/lab/guest stall --for "$LAB_STALL_FOR" --share "$LAB_STALL_SHARE" --in $at/lab-output $LAB_STALL_AT > $at/lab-stalled) &
	stall=$!
	run "$@" > $at/lab-pipe 2>&1
	code=$?
fi
seen done
test $code = 0 || exit $code
timeout --foreground "$limit" sh -c 'until kubectl wait --for=condition=Ready "node/$0" --timeout="$1s"; do sleep 2; done' "$0" "$limit"
code=$?
seen ready
if test -n "$LAB_STALL_AT"; then
	echo "` + stallAtReady + `" >> $at/lab-output
	# What it has done to the board shows later.
	wait $stall
	sleep 180
fi
exit $code
`

// milestones are what bootstrapScript has noted: "began", "done" and, after a success,
// "ready". What a throttled board has used is known from here only: before the script
// and now.
func (d *demo) milestones(before drive.Usage) (map[string]drive.Usage, error) {
	seen := map[string]drive.Usage{}
	after, err := d.usage()
	if err != nil {
		return nil, err
	}
	for _, name := range []string{"began", "done", "ready"} {
		text, err := d.onBoard(10*time.Minute, "sh", "-c", "! test -e /run/lab-$0 || cat /run/lab-$0", name)
		if err != nil {
			return nil, fmt.Errorf("look at the times of the bootstrap: %w: %s", err, text)
		}
		if text == "" {
			continue
		}
		u := after
		if name == "began" {
			u = before
		}
		if d.kind != "" {
			u = drive.Usage{}
		}
		if err := json.Unmarshal([]byte(text), &u); err != nil {
			return nil, fmt.Errorf("read the times of the bootstrap: %w: %s", err, text)
		}
		seen[name] = u
	}
	if _, ok := seen["done"]; !ok {
		return nil, fmt.Errorf("the board does not say when %s ended", d.board.Name)
	}
	return seen, nil
}

// patience is how many seconds of the board's clock to wait for something that takes
// at most limit. A throttled board's clock is this machine's, which other work may
// hold up for any time: there it only ends what would never end.
func (d *demo) patience(limit time.Duration) string {
	if d.kind == "" {
		limit *= 100
	}
	return strconv.Itoa(int(limit.Seconds()))
}

// onBoard runs a command on the board and returns what it printed. It has so much of
// the board's time.
func (d *demo) onBoard(limit time.Duration, args ...string) (string, error) {
	words := append([]string{"timeout", "--foreground", d.patience(limit)}, args...)
	out, err := d.board.Command(context.Background(), nil, words...).CombinedOutput()
	return string(out), err
}

// timed is onBoard, which also returns how many seconds it took by the board's clock.
func (d *demo) timed(limit time.Duration, args ...string) (out string, seconds float64, err error) {
	const script = `read -r began rest < /proc/uptime; "$@"; code=$?; read -r ended rest < /proc/uptime
echo; echo "$began $ended"; exit $code`
	out, err = d.onBoard(limit, append([]string{"sh", "-c", script, "sh"}, args...)...)
	text := strings.TrimRight(out, "\n")
	i := strings.LastIndexByte(text, '\n')
	var began, ended float64
	if _, scanErr := fmt.Sscan(text[i+1:], &began, &ended); scanErr != nil {
		return out, 0, err // it was ended
	}
	return strings.TrimSuffix(text[:max(i, 0)], "\n"), ended - began, err
}
