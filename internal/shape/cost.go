package shape

// maxMemory is what decoding a picture for its preview may take, in bytes. It is enough for a JPEG of 67 megapixels as
// cameras write them, or of 13 if it is progressive; for a PNG of 25 megapixels with 8 bits in each of four channels.
const maxMemory = 96 << 20

// jpegMemory is what image/jpeg takes for a frame with these components, each of which has three bytes (identity, sampling
// factors, table). A progressive picture has all its coefficients in memory, of 32 bits each. One in CMYK or RGB is
// converted to pixels of 32 bits when it is there.
func jpegMemory(s still, components []byte, progressive, adobe bool) int64 {
	var across, down, samples int64
	for c := components; len(c) > 0; c = c[3:] {
		h, v := int64(c[1]>>4), int64(c[1]&15)
		across, down, samples = max(across, h), max(down, v), samples+h*v
	}
	if across == 0 || down == 0 || across > 4 || down > 4 {
		return 0
	}
	ceil := func(n int, unit int64) int64 { return (int64(n) + unit - 1) / unit }
	memory := ceil(s.width, 8*across) * ceil(s.height, 8*down) * 64 * samples
	if progressive {
		memory *= 1 + 4
	}
	named := len(components) == 9 && components[0] == 'R'
	if len(components) == 12 || adobe || named {
		memory += int64(s.width) * int64(s.height) * 4
	}
	return memory
}

// pngMemory is what image/png takes. It keeps an interlaced picture twice, because its passes become garbage one after the
// other.
func pngMemory(width, height int, depth, colour byte, interlaced, masked bool) int64 {
	const gray, palette = 0, 3
	pixel := int64(4)
	switch {
	case colour == gray && !masked, colour == palette:
		pixel = 1
	}
	if depth == 16 {
		pixel *= 2
	}
	memory := int64(width) * int64(height) * pixel
	if interlaced {
		memory *= 2
	}
	return memory
}
