package media

// The bounds of one look, for the tests.
const (
	MaxReads = maxReads
	MaxBytes = maxBytes
)
