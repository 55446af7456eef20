package uploader

import "kaizala-drop/internal/ledger"

const (
	// SmallUploads is how many uploads there may be beyond MaxUploads while long ones are under way. At least so many are small,
	// which so never wait for long ones of other folders.
	SmallUploads = 1
	// Connections is how many calls of the destination may be under way beyond MaxUploads: the small uploads, and a post.
	Connections = SmallUploads + 1
	// smallUpload is the size, in bytes, below which all files of a delivery together count as small.
	smallUpload = 1 << 20
)

// mostUploads is how many uploads there may be at once: one more, beside long ones, so that small ones need not wait for those.
func (q *queue) mostUploads() int {
	if q.long > 0 {
		return q.maxUploads + SmallUploads
	}
	return q.maxUploads
}

// isSmall reports whether all files of d together are small.
func (d *delivery) isSmall() bool { return bytesOf(d.Files) < smallUpload }

// bytesOf is how many bytes files have together.
func bytesOf(files []ledger.File) (bytes int64) {
	for i := range files {
		bytes += files[i].ID.Size
	}
	return bytes
}
