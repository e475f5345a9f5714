package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"

	"github.com/kubeadm-arm/kubeadm-arm/lab/drive"
)

// how says which boards ran beside one another.
func (s schedule) how() string {
	switch {
	case s.atOnce:
		return "All boards ran at the same time."
	case s.sideBySide:
		return "The tools of a round ran at the same time, each on its own board."
	}
	return "The tools of a round ran one after the other."
}

// each does n pieces of work, one after the other until one fails, or all at once.
func each(n int, atOnce bool, work func(i int) ([]run, error)) ([]run, error) {
	runs, errs := make([][]run, n), make([]error, n)
	var group sync.WaitGroup
	for i := range n {
		one := func() { runs[i], errs[i] = work(i) }
		if atOnce {
			group.Go(one)
			continue
		}
		if one(); errs[i] != nil {
			break
		}
	}
	group.Wait()
	return slices.Concat(runs...), errors.Join(errs...)
}

// runAll runs everything at each place, one place after the other, or with atOnce all at
// once, and prints their tables.
func (s *settings) runAll(log drive.Log) ([]run, error) {
	var printing sync.Mutex
	return each(len(s.places), s.atOnce, func(i int) ([]run, error) {
		d := &demo{settings: s, board: s.lab.Board(s.boardsPrefix), log: log, place: s.places[i]}
		if len(s.places) > 1 {
			d.board = d.numbered(i)
			if s.atOnce {
				d.log = log.With(d.place.name + " ")
			}
		}
		runs, err := d.versions()
		printing.Lock()
		defer printing.Unlock()
		for _, version := range s.kubernetes {
			other := func(r run) bool { return r.Version != version }
			if some := slices.DeleteFunc(slices.Clone(runs), other); len(some) > 0 {
				printTable(os.Stdout, d.describePlace(), version, some)
			}
		}
		return runs, err
	})
}

// numbered is one of several boards.
func (d *demo) numbered(i int) drive.Board {
	return d.lab.Board(fmt.Sprintf("%s-%d", d.board.Name, i))
}

// versions runs the rounds of every version, one version after the other, or
// with sideBySide all at once.
func (d *demo) versions() ([]run, error) {
	return each(len(d.kubernetes), d.sideBySide, func(i int) ([]run, error) {
		one := *d
		one.version, one.board = d.kubernetes[i], d.numbered(i)
		if d.sideBySide && len(d.kubernetes) > 1 {
			one.log = d.log.With(one.version + " ")
		}
		return one.allRounds()
	})
}

// allRounds runs all tools alternately, so that a change in the machine's own
// speed meets all of them.
func (d *demo) allRounds() ([]run, error) {
	var all []run
	tools, n := d.tools, d.rounds
	if d.atOnce {
		tools, n = slices.Repeat(tools, n), 1
	}
	for range n {
		runs, err := each(len(tools), d.sideBySide, func(i int) ([]run, error) {
			one := *d
			one.board = d.numbered(i)
			if d.sideBySide {
				one.log = d.log.With(tools[i].Name + ": ")
			}
			return one.valid(tools[i])
		})
		if err != nil {
			return all, err
		}
		all = append(all, runs...)
	}
	return all, nil
}
