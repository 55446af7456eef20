package shape

import (
	"context"
	"image"
	"image/draw"

	xdraw "golang.org/x/image/draw"
	"golang.org/x/image/math/f64"
)

// reduce makes src smaller, to size when it is turned. Blocks of whole pixels are averaged first, so that every pixel of src
// counts; what is left, less than half in each direction, is done together with the turn.
func reduce(ctx context.Context, src image.Image, t turn, size image.Point) (*image.RGBA, error) {
	w, h := src.Bounds().Dx(), src.Bounds().Dy()
	lying := size
	if t.lies() {
		lying = image.Pt(size.Y, size.X)
	}
	block := image.Pt(max(1, w/lying.X), max(1, h/lying.Y))
	m, err := average(ctx, src, block)
	if err != nil {
		return nil, err
	}
	dst := image.NewRGBA(image.Rectangle{Max: size})
	matrix := t.matrix(float64(w)/float64(block.X), float64(h)/float64(block.Y), float64(size.X), float64(size.Y))
	xdraw.ApproxBiLinear.Transform(dst, matrix, m, m.Rect, xdraw.Src, nil)
	return dst, nil
}

// average makes one pixel of each block of src. Those at the right and the lower edge may be of fewer pixels. It keeps only a
// strip of src in another form.
func average(ctx context.Context, src image.Image, block image.Point) (*image.RGBA, error) {
	from := src.Bounds()
	dst := image.NewRGBA(image.Rect(0, 0, (from.Dx()+block.X-1)/block.X, (from.Dy()+block.Y-1)/block.Y))
	strip := image.NewRGBA(image.Rect(0, 0, from.Dx(), block.Y))
	for y := range dst.Rect.Dy() {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		rows := min(block.Y, from.Dy()-y*block.Y)
		draw.Draw(strip, image.Rect(0, 0, from.Dx(), rows), src, from.Min.Add(image.Pt(0, y*block.Y)), draw.Src)
		averageStrip(dst.Pix[y*dst.Stride:][:dst.Stride], strip, rows, block.X)
	}
	return dst, nil
}

// averageStrip makes a row of pixels of the first rows of strip.
func averageStrip(row []byte, strip *image.RGBA, rows, across int) {
	width := strip.Rect.Dx()
	for x := 0; x < width; x += across {
		columns := min(across, width-x)
		var sum [4]int
		for y := range rows {
			pixels := strip.Pix[y*strip.Stride+4*x:][:4*columns]
			for ; len(pixels) >= 4; pixels = pixels[4:] {
				sum[0] += int(pixels[0])
				sum[1] += int(pixels[1])
				sum[2] += int(pixels[2])
				sum[3] += int(pixels[3])
			}
		}
		n := rows * columns
		for i, total := range sum {
			row[x/across*4+i] = byte((total + n/2) / n)
		}
	}
}

// matrix takes a point of a stored picture, w by h, to where it is seen in one that is wide by high. The orientations are
// those of EXIF 2.32, 4.6.4.
func (t turn) matrix(w, h, wide, high float64) f64.Aff3 {
	var m f64.Aff3
	switch t {
	case 2: // mirrored
		m = f64.Aff3{-1, 0, w, 0, 1, 0}
	case 3:
		m = f64.Aff3{-1, 0, w, 0, -1, h}
	case 4: // upside down and mirrored
		m = f64.Aff3{1, 0, 0, 0, -1, h}
	case 5: // the columns become the rows
		m = f64.Aff3{0, 1, 0, 1, 0, 0}
	case 6: // turned to the right
		m = f64.Aff3{0, -1, h, 1, 0, 0}
	case 7:
		m = f64.Aff3{0, -1, h, -1, 0, w}
	case 8: // turned to the left
		m = f64.Aff3{0, 1, 0, -1, 0, w}
	default:
		m = f64.Aff3{1, 0, 0, 0, 1, 0}
	}
	if t.lies() {
		w, h = h, w
	}
	for i := range 3 {
		m[i] *= wide / w
		m[3+i] *= high / h
	}
	return m
}
