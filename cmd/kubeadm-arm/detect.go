package main

import (
	"encoding/json"
	"errors"
	"fmt"

	flag "github.com/spf13/pflag"
	"sigs.k8s.io/yaml"

	"github.com/kubeadm-arm/kubeadm-arm/hwdetect"
)

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
	board, err := hwdetect.Read(*root)
	if err != nil {
		return &problem{exitBadInput, "name a folder that holds proc/cpuinfo with --root", err}
	}
	switch *output {
	case "json":
		enc := json.NewEncoder(v.stdout)
		enc.SetIndent("", "  ")
		return enc.Encode(board)
	case "yaml":
		text, err := yaml.Marshal(board)
		if err != nil {
			return err
		}
		_, err = v.stdout.Write(text)
		return err
	case "text":
		return hwdetect.Text(v.stdout, board)
	}
	return usage("--output", fmt.Errorf("%q is not text, json or yaml", *output))
}
