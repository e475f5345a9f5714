// Command fit fits the model of package plan to measured bootstraps: it reads
// the board reports that make calibrate keeps, writes the coefficients, and a
// table of what the model predicts for boards that its fit has not seen.
//
//	go run ./tools/fit
package main

import (
	"flag"
	"fmt"
	"os"

	"github.com/google/renameio/v2"
)

func main() {
	data := flag.String("data", "testdata/calibration", "folder of the reports")
	code := flag.String("code", "plan/calibrated.go", "file for the coefficients")
	document := flag.String("document", "docs/results/prediction.md", "file for the table")
	flag.Parse()
	if err := run(*data, *code, *document); err != nil {
		fmt.Fprintln(os.Stderr, "fit:", err)
		os.Exit(1)
	}
}

func run(data, code, document string) error {
	points, err := readPoints(data)
	if err != nil {
		return err
	}
	if len(points) < leastPoints {
		return fmt.Errorf("%s holds %d bootstraps, a fit wants %d", data, len(points), leastPoints)
	}
	m := fitModel(points)
	text, err := coefficients(m, data, points)
	if err != nil {
		return err
	}
	if err := renameio.WriteFile(code, text, 0o644); err != nil {
		return err
	}
	return renameio.WriteFile(document, table(m, points, leaveOneOut(points)), 0o644)
}
