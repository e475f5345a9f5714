package bench

import (
	"fmt"
	"math"
	"reflect"
	"strings"
	"time"
)

// RangeError says that a number in a file cannot be true.
type RangeError struct {
	// Field is its place, such as samples[3].median.
	Field  string
	Number float64
	// Least and Most are what it can be.
	Least, Most float64
}

func (e *RangeError) Error() string {
	return fmt.Sprintf("its %s is %g, want %g to %g", e.Field, e.Number, e.Least, e.Most)
}

// Limits of numbers in files. Whatever is within them can be added up and multiplied
// without overflow.
const (
	mostNumber  = 1e15  // bytes a second, hertz, counts
	mostSeconds = 1e9   // thirty years
	leastOp     = 1e-10 // seconds of an operation: less than one cycle of any CPU
	mostOp      = 24 * 60 * 60.0
)

// CheckRange looks at all numbers in a value that was read from a file, by their
// names in JSON. Times are those called seconds, start, predicted, elapsed and budget.
func CheckRange(v any) error { return checkRange(reflect.ValueOf(v), "", "") }

func checkRange(v reflect.Value, at, name string) error {
	switch v.Kind() {
	case reflect.Float32, reflect.Float64:
		return inRange(v.Float(), at, name)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return inRange(float64(v.Int()), at, name)
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			return checkRange(v.Elem(), at, name)
		}
	case reflect.Slice, reflect.Array:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return nil // text
		}
		for i := range v.Len() {
			if err := checkRange(v.Index(i), fmt.Sprintf("%s[%d]", at, i), name); err != nil {
				return err
			}
		}
	case reflect.Map:
		for _, key := range v.MapKeys() {
			if err := checkRange(v.MapIndex(key), fmt.Sprintf("%s[%v]", at, key), name); err != nil {
				return err
			}
		}
	case reflect.Struct:
		return checkStruct(v, at)
	}
	return nil
}

func checkStruct(v reflect.Value, at string) error {
	if v.Type() == reflect.TypeFor[time.Time]() {
		return nil
	}
	if s, ok := v.Interface().(Sample); ok && s.Unit == SecondsPerOp {
		for name, n := range map[string]float64{"median": s.Median, "p10": s.P10, "p90": s.P90, "p99": s.P99, "max": s.Max} {
			if n > mostOp || n > 0 && n < leastOp {
				return &RangeError{at + "." + name, n, leastOp, mostOp}
			}
		}
	}
	for i := range v.NumField() {
		f := v.Type().Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if !f.IsExported() || name == "-" {
			continue
		}
		place := strings.TrimPrefix(at+"."+name, ".")
		if f.Anonymous {
			place = at
		}
		if err := checkRange(v.Field(i), place, name); err != nil {
			return err
		}
	}
	return nil
}

func inRange(n float64, at, name string) error {
	least, most := 0.0, mostNumber
	switch name {
	case "celsius":
		least, most = -273.15, 1e4
	case "seconds", "start", "predicted", "elapsed", "budget":
		most = mostSeconds
	case "cpus":
		most = 1 << 16
	}
	if math.IsNaN(n) || n < least || n > most {
		return &RangeError{at, n, least, most}
	}
	return nil
}
