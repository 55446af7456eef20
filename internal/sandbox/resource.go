package sandbox

import (
	"bytes"
	crand "crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"math/rand/v2"
)

// mint turns the number of an upload into a mediaResource and back. As Kaizala's, its resources are opaque, longer than half a
// kilobyte, and hold '+', '/' and '='. They are computed each time, because they would be most of the memory that a post
// needs.
type mint struct{ key [32]byte }

const (
	numberSize = 8                  // bytes of a resource that hold its number
	unsafeTail = "\xfb\xff\xbf\x2a" // in base64 "+/+/" and an end with "=="
)

func newMint() mint {
	var m mint
	_, _ = crand.Read(m.key[:]) // never fails: it crashes the program instead, as documented
	return m
}

// resource is the mediaResource of the upload with this number, in 616 to 972 characters of base64.
func (m mint) resource(number int) string { return base64.StdEncoding.EncodeToString(m.raw(number)) }

func (m mint) raw(number int) []byte {
	var seed [len(m.key) + numberSize]byte
	copy(seed[:], m.key[:])
	binary.BigEndian.PutUint64(seed[len(m.key):], uint64(number))
	noise := rand.NewChaCha8(sha256.Sum256(seed[:]))
	size := 3 * (153 + int(noise.Uint64()%90)) // 459 to 726 bytes before the tail
	b := make([]byte, size, size+len(unsafeTail))
	_, _ = noise.Read(b)
	binary.BigEndian.PutUint64(b, uint64(number))
	return append(b, unsafeTail...)
}

// number returns the number of the upload of a resource. ok is false for every string that this mint did not make.
func (m mint) number(resource string) (number int, ok bool) {
	b, err := base64.StdEncoding.Strict().DecodeString(resource)
	if err != nil || len(b) < numberSize {
		return 0, false
	}
	number = int(binary.BigEndian.Uint64(b))
	return number, number >= 0 && bytes.Equal(b, m.raw(number))
}
