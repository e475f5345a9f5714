package kubeadm

import (
	"bytes"
	"io"
)

// maxLine is how much of one line is kept, in bytes. No line of kubeadm's that means
// something has a hundredth of it; what is longer would be searched for its end again
// and again.
const maxLine = 64 << 10

// Lines returns a writer that calls each for every whole line, without its end. Of a
// line of more than 64 KiB the beginning is passed on, with cut set, and the rest
// dropped. An error of each is that of the write.
func Lines(each func(line []byte, cut bool) error) io.Writer { return &lines{each: each} }

type lines struct {
	each func(line []byte, cut bool) error
	rest []byte
	cut  bool
}

func (l *lines) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0; {
		part, after, whole := bytes.Cut(rest, []byte{'\n'})
		rest = after
		if room := maxLine - len(l.rest); len(part) > room {
			part, l.cut = part[:room], true
		}
		l.rest = append(l.rest, part...)
		if !whole {
			break
		}
		if err := l.each(l.rest, l.cut); err != nil {
			return 0, err
		}
		l.rest, l.cut = l.rest[:0], false
	}
	return len(p), nil
}
