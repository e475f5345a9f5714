package main

import (
	"encoding/json"
	"errors"
	"fmt"

	flag "github.com/spf13/pflag"
	"sigs.k8s.io/yaml"

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

// detect is `kubeadm-arm detect`.
func (v invocation) detect(args []string) error {
	f := flag.NewFlagSet("kubeadm-arm detect", flag.ContinueOnError)
	f.SetOutput(v.stderr)
	output := f.StringP("output", "o", "text", "text, json or yaml")
	root := f.String("root", "/", "read the board's files below this folder")
	if err := f.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil
		}
		return &problem{exitUsage, "see kubeadm-arm detect --help", err}
	}
	if f.NArg() > 0 {
		return &problem{exitUsage, "see kubeadm-arm detect --help", fmt.Errorf("detect takes no arguments, got %q", f.Arg(0))}
	}
	board, err := hwdetect.Read(*root)
	if err != nil {
		return &problem{exitBadInput, "name a folder that holds proc/cpuinfo with --root", err}
	}
	doc := detected{detectSchema, board, hwdetect.ReadPrograms(*root, v.pathOf(), nil)}
	switch *output {
	case "json":
		enc := json.NewEncoder(v.stdout)
		enc.SetIndent("", "  ")
		return enc.Encode(doc)
	case "yaml":
		text, err := yaml.Marshal(doc)
		if err != nil {
			return err
		}
		_, err = v.stdout.Write(text)
		return err
	case "text":
		if err := hwdetect.Text(v.stdout, board); err != nil {
			return err
		}
		return hwdetect.ProgramsText(v.stdout, board, doc.Programs)
	}
	return &problem{exitUsage, "see kubeadm-arm detect --help", fmt.Errorf("flag --output: %q is not text, json or yaml", *output)}
}
