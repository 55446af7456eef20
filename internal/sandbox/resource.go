package sandbox

import (
	"bytes"
	crand "crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"math/rand/v2"
)

// mint turns the number of an upload into a mediaResource and back. Kaizala's are opaque, half a kilobyte and more, and
// hold '+', '/' and '='; so are these. They are worked out anew whenever one is needed, because kept they would be most
// of what a post costs in memory.
type mint struct{ key [32]byte }

// numbered is how many bytes of a resource hold its number; unsafeTail is what spells "+/+/" and two '=' in base64.
const (
	numbered   = 8
	unsafeTail = "\xfb\xff\xbf\x2a"
)

func newMint() mint {
	var m mint
	_, _ = crand.Read(m.key[:]) // never fails: it is documented to crash the program instead
	return m
}

// resource spells the upload with that number in 616 to 972 characters of base64.
func (m mint) resource(number int) string { return base64.StdEncoding.EncodeToString(m.raw(number)) }

func (m mint) raw(number int) []byte {
	var seed [len(m.key) + numbered]byte
	copy(seed[:], m.key[:])
	binary.BigEndian.PutUint64(seed[len(m.key):], uint64(number))
	noise := rand.NewChaCha8(sha256.Sum256(seed[:]))
	size := 3 * (153 + int(noise.Uint64()%90)) // 459 to 726 bytes before the tail
	b := make([]byte, size, size+len(unsafeTail))
	_, _ = noise.Read(b)
	binary.BigEndian.PutUint64(b, uint64(number))
	return append(b, unsafeTail...)
}

// number tells which upload a resource stands for. ok is false for every string that this mint did not make.
func (m mint) number(resource string) (number int, ok bool) {
	b, err := base64.StdEncoding.Strict().DecodeString(resource)
	if err != nil || len(b) < numbered {
		return 0, false
	}
	number = int(binary.BigEndian.Uint64(b))
	return number, number >= 0 && bytes.Equal(b, m.raw(number))
}
