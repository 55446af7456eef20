package media

import (
	"io"

	"kaizala-drop/internal/peek"
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

// source is a file that is read a bounded number of times, and never outside [0, size).
type source struct {
	*peek.Source
	size int64
}

func newSource(r io.ReaderAt, size int64) *source {
	return &source{peek.New(r, size, maxReads, maxBytes), size}
}

// at gives the n bytes at off, or fewer where the file ends. They are valid until the next call.
func (s *source) at(off int64, n int) ([]byte, error) { return s.At(off, n) }

// findLast gives the last place of pattern in [from, to), or -1. It searches backwards from to, at most most bytes.
func (s *source) findLast(pattern string, from, to, most int64) (int64, error) {
	return s.FindLast(pattern, from, to, most)
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

func allZero(b []byte) bool { return lastNonZero(b) < 0 }

func lastNonZero(b []byte) int64 {
	i := len(b) - 1
	for i >= 0 && b[i] == 0 {
		i--
	}
	return int64(i)
}
