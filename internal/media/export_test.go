package media

// The bounds of one call, for the tests.
const (
	MaxReads = maxReads
	MaxBytes = maxBytes
)
