//go:build !hanghook

package beat

// Taken says that the part took a question. Programs that are built with the tag hanghook, for tests, can be made to hang here.
func (p *Part) Taken() {}
