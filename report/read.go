package report

import (
	"encoding/json"
	"fmt"

	"github.com/kubeadm-arm/kubeadm-arm/bench"
	"github.com/kubeadm-arm/kubeadm-arm/internal/safefile"
)

const what = "board report"

// maxReport is a hundred times the largest report seen, in bytes.
const maxReport = 16 << 20

// reader turns the JSON of one schema into today's Report.
type reader struct {
	schema string
	read   func(text []byte) (Report, error)
}

// readers are all schemas that can be read, today's first. One that was ever
// written stays in this list.
func readers() []reader {
	return []reader{
		{Schema, readV1},
		{bench.Schema, readBench},
	}
}

func readV1(text []byte) (Report, error) {
	var r Report
	if err := json.Unmarshal(text, &r); err != nil {
		return Report{}, fmt.Errorf("read %s: %w", what, bench.NotJSON(err))
	}
	if err := bench.CheckRange(r); err != nil {
		return Report{}, fmt.Errorf("read %s: %w", what, err)
	}
	return r, nil
}

// readBench makes a report of a bare benchmark result.
func readBench(text []byte) (Report, error) {
	result, err := bench.Parse(text)
	if err != nil {
		return Report{}, err
	}
	r := New(result.Started)
	r.Bench = &result
	return r, nil
}

// Parse reads a report of any schema that kubeadm-arm ever wrote. Truncated
// JSON is an io.ErrUnexpectedEOF, another schema a *bench.SchemaError.
func Parse(text []byte) (Report, error) {
	schema, err := bench.SchemaOf(what, text)
	if err != nil {
		return Report{}, err
	}
	for _, known := range readers() {
		if known.schema == schema {
			return known.read(text)
		}
	}
	return Report{}, &bench.SchemaError{What: what, Got: schema, Want: Schema}
}

// ReadFile is Parse for a file, named in the error.
func ReadFile(path string) (Report, error) {
	text, err := safefile.Read(path, maxReport)
	if err != nil {
		return Report{}, fmt.Errorf("read %s: %w", what, err)
	}
	r, err := Parse(text)
	if err != nil {
		return Report{}, fmt.Errorf("%s: %w", path, err)
	}
	return r, nil
}
