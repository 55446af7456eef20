package media

// filmZeros is how many zeros at the end of media data are too many.
const filmZeros = 16 << 10

func isPadding(kind string) bool { return kind == "free" || kind == "skip" || kind == "wide" }

// nothingIn reports whether the part of b that is beyond the end of the file holds nothing of the film. Then b is
// padding behind a whole film, or media data in which all samples that the index lists are there (ISO/IEC 14496-12,
// 8.7; 8.11.3 for the items of a picture). Of a film whose index is in its fragments nothing is known, and it reports
// false.
func (f *film) nothingIn(b box) (bool, error) {
	padded := isPadding(b.kind)
	if f.fragments || !f.indexed || !padded && b.kind != "mdat" && b.kind != "imda" {
		return false, nil
	}
	limit, end, known := f.size, int64(0), false
	if padded {
		limit = b.off
	}
	var err error
	if f.moov.size > 0 {
		var x *filmIndex
		if x, err = f.readIndex(f.moov); err == nil && !x.broken {
			end, known, err = x.samplesEnd()
		}
	}
	if err == nil && !known && f.meta.size > 0 {
		end, known, _, err = f.items()
	}
	if err != nil {
		return false, err
	}
	if known {
		return end <= limit, nil
	}
	return padded && f.lacks() == "", nil
}

// hollow says that a film was given its size and not filled, judged by the zeros at its end. Zeros behind a whole film
// are padding. In media data, 16 KiB of zeros are more than any encoder writes (the most in 275 films were 18 bytes),
// except for sound that is not encoded; fewer zeros must not cover a whole sample. In moov, zeros must not cover what
// cannot be zeros.
func (f *film) hollow() (string, error) {
	zeros, err := f.zerosBefore(f.size)
	c := f.content
	end := min(f.size, c.off+c.size)
	zeros -= f.size - end
	if err != nil || zeros < 4 {
		return "", err
	}
	var hollow bool
	switch c.kind {
	case "moov":
		hollow, err = f.hollowMoov(end - zeros)
	case "mdat", "imda":
		hollow, err = f.hollowMedia(end-zeros, end)
	}
	if err != nil || !hollow {
		return "", err
	}
	return zeroTail("the "+f.name, zeros), nil
}

func (f *film) hollowMoov(off int64) (bool, error) {
	x, err := f.readIndex(f.moov)
	if err != nil {
		return false, err
	}
	return x.hollowIndex(off)
}

func (f *film) hollowMedia(off, end int64) (bool, error) {
	zeros, err := f.zerosBefore(end)
	if err != nil || zeros < sampleSeen {
		return false, err
	}
	x := &filmIndex{film: f, unknown: true}
	if f.moov.size > 0 {
		if x, err = f.readIndex(f.moov); err != nil {
			return false, err
		}
	}
	switch {
	case zeros < filmZeros && f.fragments:
		return x.hollowFragment(off)
	case zeros < filmZeros:
		return x.hollowSamples(off)
	}
	silent, err := x.silentFrom(off)
	return !silent, err
}
