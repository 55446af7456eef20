package shape_test

import (
	"bytes"
	"image"
	"math"
	"path/filepath"
	"testing"

	"kaizala-drop/internal/shape"
)

// photo is a picture of that many pixels, as hard to decode as a photograph.
func photo(w, h int) image.Image {
	m := image.NewYCbCr(image.Rect(0, 0, w, h), image.YCbCrSubsampleRatio420)
	n := uint32(1)
	for i := range m.Y {
		n = n*1664525 + 1013904223
		m.Y[i] = byte(128 + 90*math.Sin(float64(i%w)/300) + float64(n>>28))
	}
	for i := range m.Cb {
		m.Cb[i], m.Cr[i] = byte(i/w), byte(255-i/w)
	}
	return m
}

// BenchmarkPreview is of a JPEG of 12 megapixels, as a telephone takes it.
func BenchmarkPreview(b *testing.B) {
	data := asJPEG(b, photo(4000, 3000))
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if p, err := shape.NewPreviewer().Make(b.Context(), bytes.NewReader(data), int64(len(data))); err != nil || p == nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkOf is of one file of each format.
func BenchmarkOf(b *testing.B) {
	for name, data := range seeds(b) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				shape.Of(bytes.NewReader(data), int64(len(data)), filepath.Ext(name))
			}
		})
	}
}
