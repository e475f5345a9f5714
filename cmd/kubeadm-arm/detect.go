package main

import (
	"encoding/json"
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
	if !isFolder(root) {
		return &problem{exitBadInput, "name a folder that holds proc/cpuinfo with --root", fmt.Errorf("look at %s: not a folder that can be read", root)}
	}
	board, err := hwdetect.Read(root)
	if err != nil {
		return &problem{exitBadInput, "name a folder that holds proc/cpuinfo with --root", err}
	}
	doc := detected{detectSchema, board, hwdetect.ReadPrograms(root, v.pathOf(), nil)}
	switch o.text("output") {
	case "json":
		enc := json.NewEncoder(v.stdout)
		enc.SetIndent("", "  ")
		return enc.Encode(doc)
	case "yaml":
		return encodeYAML(v.stdout, doc)
	}
	if err := hwdetect.Text(v.stdout, board); err != nil {
		return err
	}
	return hwdetect.ProgramsText(v.stdout, board, doc.Programs)
}
