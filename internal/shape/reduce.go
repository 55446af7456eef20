package shape

import (
	"context"
	"image"
	"image/draw"

	xdraw "golang.org/x/image/draw"
	"golang.org/x/image/math/f64"
)

// reduce makes src smaller, to size when it is turned. Blocks of whole pixels are averaged first, which takes little memory;
// what is left, to half in each direction, is done together with the turn. Every pixel of src counts.
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
	xdraw.BiLinear.Transform(dst, matrix, m, m.Rect, xdraw.Src, nil)
	return dst, nil
}

// average makes one pixel of each block of src. Those at the right and the lower edge may be of fewer pixels. It keeps only one
// row of src in another form.
func average(ctx context.Context, src image.Image, block image.Point) (*image.RGBA, error) {
	from := src.Bounds()
	dst := image.NewRGBA(image.Rect(0, 0, (from.Dx()+block.X-1)/block.X, (from.Dy()+block.Y-1)/block.Y))
	row := image.NewRGBA(image.Rect(0, 0, from.Dx(), 1))
	sums := make([]uint32, 4*dst.Rect.Dx())
	for y := range from.Dy() {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		draw.Draw(row, row.Rect, src, from.Min.Add(image.Pt(0, y)), draw.Src)
		add(sums, row.Pix, block.X)
		if rows := y%block.Y + 1; rows == block.Y || y == from.Dy()-1 {
			pixels := dst.Pix[y/block.Y*dst.Stride:][:dst.Stride]
			divide(pixels, sums, rows, from.Dx(), block.X)
			clear(sums)
		}
	}
	return dst, nil
}

// add adds a row of pixels to sums, which has four for each across pixels.
func add(sums []uint32, row []byte, across int) {
	for ; len(row) > 0; sums = sums[4:] {
		n := min(4*across, len(row))
		var r, g, b, a uint32
		for p := row[:n]; len(p) >= 4; p = p[4:] {
			r, g, b, a = r+uint32(p[0]), g+uint32(p[1]), b+uint32(p[2]), a+uint32(p[3])
		}
		sums[0], sums[1], sums[2], sums[3] = sums[0]+r, sums[1]+g, sums[2]+b, sums[3]+a
		row = row[n:]
	}
}

// divide makes pixels of sums over rows rows and across columns. The last pixel has those that are left of width.
func divide(pixels []byte, sums []uint32, rows, width, across int) {
	for i, sum := range sums {
		n := uint32(rows * min(across, width-i/4*across))
		pixels[i] = byte((sum + n/2) / n)
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
