package media

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

const (
	maxReads = 4096
	maxBytes = 1 << 20
	lookBack = 768 << 10 // how far before the trailing data an end is searched for
	chunk    = 64 << 10
	sample   = 512

	// zerosCounted is how many zeros at the end are counted exactly.
	zerosCounted = 16 << 10
	// fewZeros is the number of zeros below which it is not checked what they cover.
	fewZeros = 64
)

// errBudget ends a check that would cost too much.
var errBudget = errors.New("too much to read")

// source is a file that is read a bounded number of times, and never outside [0, size).
type source struct {
	r     io.ReaderAt
	size  int64
	reads int
	bytes int64
	buf   []byte
}

// at gives the n bytes at off, or fewer where the file ends. They are valid until the next call.
func (s *source) at(off int64, n int) ([]byte, error) {
	if off < 0 || off >= s.size || n <= 0 {
		return nil, nil
	}
	n = int(min(int64(n), s.size-off))
	s.reads++
	s.bytes += int64(n)
	if s.reads > maxReads || s.bytes > maxBytes {
		return nil, errBudget
	}
	if n > len(s.buf) {
		s.buf = make([]byte, n)
	}
	b := s.buf[:n]
	got, err := s.r.ReadAt(b, off)
	switch {
	case got == n:
		return b, nil
	case err == nil || errors.Is(err, io.EOF):
		err = io.ErrUnexpectedEOF
	}
	return nil, fmt.Errorf("%d of %d bytes at %d: %w", got, n, off, err)
}

// findLast gives the last place of pattern in [from, to), or -1. It searches backwards from to, at most most bytes.
func (s *source) findLast(pattern string, from, to, most int64) (int64, error) {
	from = max(from, to-most)
	overlap := int64(len(pattern) - 1)
	for n := int64(4 << 10); from < to; n = chunk {
		start := max(from, to-n)
		b, err := s.at(start, int(to-start))
		if err != nil {
			return -1, err
		}
		if i := lastIndex(b, []byte(pattern)); i >= 0 {
			return start + int64(i), nil
		}
		if start == from {
			break
		}
		to = start + overlap
	}
	return -1, nil
}

// dataEnd gives where the zeros begin with which the file ends, or size if it ends with none.
func (s *source) dataEnd() (int64, error) { return s.dataEndBefore(s.size) }

// dataEndBefore gives where the zeros begin that end at limit. A long run is measured with small samples, at doubling
// distances and then by halving. Zeros within the data can mislead it, but the end of the run cannot.
func (s *source) dataEndBefore(limit int64) (int64, error) {
	const block = 4 << 10
	zeros := max(0, limit-block)
	b, err := s.at(zeros, int(limit-zeros))
	if err != nil || !allZero(b) || zeros == 0 {
		return zeros + lastNonZero(b) + 1, err
	}
	low, step := zeros, min(block, limit)
	for {
		if low == 0 {
			return 0, nil
		}
		step = min(2*step, limit)
		if step > limit/2 {
			step = limit
		}
		low = limit - step
		if b, err = s.at(low, sample); err != nil {
			return 0, err
		}
		if !allZero(b) {
			break
		}
		zeros = low
	}
	for zeros-low > block {
		middle := low + (zeros-low)/2
		if b, err = s.at(middle, sample); err != nil {
			return 0, err
		}
		if allZero(b) {
			zeros = middle
		} else {
			low = middle
		}
	}
	b, err = s.at(low, int(zeros-low))
	return low + lastNonZero(b) + 1, err
}

// zerosBefore counts the zeros that end at limit: exactly up to 16 KiB, and as dataEndBefore does beyond.
func (s *source) zerosBefore(limit int64) (int64, error) {
	for _, n := range []int64{sample, zerosCounted} {
		from := max(0, limit-n)
		b, err := s.at(from, int(limit-from))
		if err != nil || !allZero(b) {
			return int64(len(b)) - lastNonZero(b) - 1, err
		}
	}
	end, err := s.dataEndBefore(limit)
	return max(min(limit, zerosCounted), limit-end), err
}

// lastIndex is bytes.LastIndex, but ten times as fast where there is little to find, because only the forward search is
// vectorized.
func lastIndex(b, pattern []byte) int {
	last := -1
	for {
		i := bytes.Index(b[last+1:], pattern)
		if i < 0 {
			return last
		}
		last += 1 + i
	}
}

func allZero(b []byte) bool { return lastNonZero(b) < 0 }

func lastNonZero(b []byte) int64 {
	i := len(b) - 1
	for i >= 0 && b[i] == 0 {
		i--
	}
	return int64(i)
}
