package e2ee

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"hash"
	"io"
)

// File is what an event says of an encrypted attachment: EncryptedFile of the specification (Client-Server API, "Sending encrypted attachments").
type File struct {
	URL     string   `json:"url"`
	Key     Key      `json:"key"`
	IV      string   `json:"iv"` // base64 without padding
	Hashes  FileHash `json:"hashes"`
	Version string   `json:"v"`
}

// Key is a JSON Web Key, as its extension for WebCrypto has it.
type Key struct {
	Type        string   `json:"kty"`
	Operations  []string `json:"key_ops"`
	Algorithm   string   `json:"alg"`
	K           string   `json:"k"` // base64url without padding
	Extractable bool     `json:"ext"`
}

// FileHash is that of the encrypted bytes.
type FileHash struct {
	SHA256 string `json:"sha256"` // base64 without padding
}

var errShort = errors.New("the attachment was not read to its end")

// Attachment encrypts bytes while they are read, with a key of its own. Nothing is read ahead, and its length is that of the plain bytes.
// It is not safe for concurrent use, and serves one upload: another try takes another one.
type Attachment struct {
	plain  io.Reader
	stream cipher.Stream
	hash   hash.Hash
	file   File
	left   int64
	ended  bool
}

// NewAttachment encrypts the length bytes that plain gives.
func NewAttachment(plain io.Reader, length int64) (*Attachment, error) {
	var key [32]byte
	var iv [aes.BlockSize]byte
	rand.Read(key[:]) // it never fails (crypto/rand)
	rand.Read(iv[:8]) // the other half counts the blocks, from 0
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return nil, err
	}
	return &Attachment{
		plain: plain, stream: cipher.NewCTR(block, iv[:]), hash: sha256.New(), left: length,
		file: File{
			Key: Key{
				Type: "oct", Operations: []string{"encrypt", "decrypt"}, Algorithm: "A256CTR", Extractable: true,
				K: base64.RawURLEncoding.EncodeToString(key[:]),
			},
			IV: base64.RawStdEncoding.EncodeToString(iv[:]), Version: "v2",
		},
	}, nil
}

// Read gives encrypted bytes. It gives no more than there are to be, and io.ErrUnexpectedEOF if there are fewer.
func (a *Attachment) Read(p []byte) (int, error) {
	if a.left == 0 {
		a.ended = true
		return 0, io.EOF
	}
	if int64(len(p)) > a.left {
		p = p[:a.left]
	}
	n, err := a.plain.Read(p)
	a.stream.XORKeyStream(p[:n], p[:n])
	a.hash.Write(p[:n])
	a.left -= int64(n)
	switch {
	case a.left == 0:
		a.ended = true
		if !errors.Is(err, io.EOF) {
			return n, err
		}
	case errors.Is(err, io.EOF):
		err = fmt.Errorf("%d bytes are missing: %w", a.left, io.ErrUnexpectedEOF)
	}
	return n, err
}

// File gives what the event is to say, once all was read and uploaded to url.
func (a *Attachment) File(url string) (File, error) {
	if !a.ended {
		return File{}, errShort
	}
	f := a.file
	f.URL, f.Hashes.SHA256 = url, base64.RawStdEncoding.EncodeToString(a.hash.Sum(nil))
	return f, nil
}
