package shape

const (
	MaxReads    = maxReads
	MaxBytes    = maxBytes
	MaxSide     = maxSide
	MaxDuration = maxDuration
	MaxMemory   = maxMemory
)

// OfUnguarded and PreviewUnguarded let a panic through.
var (
	OfUnguarded      = of
	PreviewUnguarded = makePreview
)
