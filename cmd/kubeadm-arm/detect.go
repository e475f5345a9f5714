package main

import (
	"fmt"

	"github.com/kubeadm-arm/kubeadm-arm/hwdetect"
)

// detectSchema is the version of detect's JSON and YAML form; fields may be added
// to it.
const detectSchema = "kubeadm-arm.detect/v1"

// detected is that form: the board's fields, and the programs beside them.
type detected struct {
	Schema string `json:"schema"`
	hwdetect.Board
	Programs []hwdetect.Binary `json:"programs,omitempty"`
}

// runDetect is `kubeadm-arm detect`.
func (v invocation) runDetect(o options) error {
	root := o.text("root")
	board, err := hwdetect.Read(root)
	if !isFolder(root) {
		err = fmt.Errorf("look at %s: not a folder that can be read", root)
	}
	if err != nil {
		return &problem{exitBadInput, "name a folder that holds proc/cpuinfo with --root", err}
	}
	doc := detected{detectSchema, board, hwdetect.ReadPrograms(root, v.pathOf(), nil)}
	switch o.text("output") {
	case "json":
		return writeIndented(v.stdout, doc)
	case "yaml":
		return encodeYAML(v.stdout, doc)
	}
	if err := hwdetect.Text(v.stdout, board); err != nil {
		return err
	}
	return hwdetect.ProgramsText(v.stdout, board, doc.Programs)
}
