package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/kubeadm-arm/kubeadm-arm/lab/drive"
)

// worker has two boards: a control plane and a worker, which joins by the real kubeadm and is
// switched off until its kubelet's certificate has expired. Then the command of the
// documentation is run, with lab in the place of ssh.
func (t *trial) worker(ctx context.Context) (err error) {
	first, worker := *t, *t
	first.board, worker.board = t.lab.Board(t.board.Name+"-1"), t.lab.Board(t.board.Name+"-2")
	defer func() { err = errors.Join(err, t.lab.DownAll(ctx, t.board.Name+"-")) }()
	for _, b := range []drive.Board{first.board, worker.board} {
		if err := t.up(ctx, b, "--network", t.board.Name); err != nil {
			return err
		}
	}
	ready := drive.NodeReady + since + `until node_ready $node
do test "$(date +%s)" -lt $((since + 600)); sleep 2; done`
	of := func(t *trial) string { return "node=" + t.board.Name + "\n" }
	if err := first.step(ctx, "the control plane: kubeadm-arm init",
		"kubeadm-arm init --config /etc/kubeadm-lab.yaml >/root/init.log 2>&1 || { tail -5 /root/init.log; exit 1; }\n"+
			of(&first)+ready); err != nil {
		return err
	}
	t.log.Printf("the worker: kubeadm join")
	if err := join(ctx, first.board, worker.board); err != nil {
		return err
	}
	if err := first.step(ctx, "the control plane", of(&worker)+ready); err != nil {
		return err
	}
	if err := worker.asleep(ctx, first.board); err != nil {
		return err
	}
	if err := worker.step(ctx, "the worker: kubeadm-arm certs renew",
		"! kubeadm-arm certs renew >/root/out 2>&1; cat /root/out"); err != nil {
		return err
	}
	const given = "kubeadm token create --ttl 1h"
	t.log.Printf("%s | ssh WORKER kubeadm-arm certs renew --token-stdin", given)
	out, err := pipe(ctx, first.board, given, worker.board, "kubeadm-arm certs renew --token-stdin 2>&1")
	t.log.Printf("    %s", strings.ReplaceAll(strings.TrimSpace(out), "\n", "\n             "))
	if err != nil {
		return err
	}
	if err := first.step(ctx, "the control plane", of(&worker)+ready); err != nil {
		return err
	}
	return worker.step(ctx, "the worker", `test ! -e /etc/kubernetes/bootstrap-kubelet.conf
! grep -rlE '\b[a-z0-9]{6}\.[a-z0-9]{16}\b' /etc/kubernetes /var/log/kubelet.log
kubeadm-arm certs status | tail -2`)
}

const since = "since=$(date +%s)\n"

// up starts a throttled board that has this program.
func (t *trial) up(ctx context.Context, b drive.Board, flags ...string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	return b.Up(ctx, append(flags, "--cpu", "100%", "--bin", self, "--kubernetes", t.version, "--bin", t.armBinary)...)
}

// join has a board join, by the command that kubeadm prints.
func join(ctx context.Context, first, worker drive.Board) error {
	out, err := pipe(ctx, first, "kubeadm token create --print-join-command", worker,
		"read -r command; sh -c \"$command --ignore-preflight-errors=SystemVerification\" 2>&1")
	if err != nil {
		return fmt.Errorf("kubeadm join: %w: %s", err, out)
	}
	return nil
}

// asleep cuts the worker's power and replaces the kubelet's certificate by one that has
// expired, signed with the authority's key, which is copied to the worker for that.
func (t *trial) asleep(ctx context.Context, first drive.Board) error {
	if err := t.step(ctx, "the worker: power cut; the kubelet's certificate replaced by one that has expired",
		"systemctl disable kubelet; sync"); err != nil {
		return err
	}
	if err := t.board.Reboot(ctx); err != nil {
		return err
	}
	const pki = "/etc/kubernetes/pki/"
	out, err := pipe(ctx, first, "cat "+pki+"ca.key", t.board,
		"systemctl stop kubelet; cat >"+pki+"ca.key; drawer --expire; rm "+pki+"ca.key")
	if err != nil {
		return fmt.Errorf("make its certificates expire: %w: %s", err, out)
	}
	return t.step(ctx, "the kubelet starts, and half a minute later", `systemctl start kubelet; sleep 30
grep -oE 'unable to load bootstrap kubeconfig.*|part of the existing bootstrap client certificate.*expired.*' `+
		`/var/log/kubelet.log | tail -1 | cut -c1-150
! pgrep -x kubelet`)
}

// pipe runs a command on one board with its output as the input of one on another.
func pipe(ctx context.Context, from drive.Board, command string, to drive.Board, takes string) (string, error) {
	said, err := from.Run(ctx, "sh", "-ec", "export KUBECONFIG=/etc/kubernetes/admin.conf\n"+command)
	if err != nil {
		return said, err
	}
	var out bytes.Buffer
	cmd := to.Command(ctx, nil, "sh", "-ec", takes)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(said), &out, &out
	err = cmd.Run()
	return out.String(), err
}
