package e2ee

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"maunium.net/go/mautrix/crypto/attachment"
)

// decrypt is what another client does with an attachment: the library's own decryption, of what the event says.
func decrypt(t testing.TB, f File, cipher []byte) []byte {
	t.Helper()
	text, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	var read attachment.EncryptedFile
	if err := json.Unmarshal(text, &read); err != nil {
		t.Fatal(err)
	}
	plain := bytes.Clone(cipher)
	if err := read.DecryptInPlace(plain); err != nil {
		t.Fatal(err)
	}
	return plain
}

// FuzzAttachment shows that another client decrypts what was encrypted, however it was read, and that it is as long as what went in.
func FuzzAttachment(f *testing.F) {
	for _, n := range []int{0, 1, 15, 16, 17, 4096, 100_001} {
		content := make([]byte, n)
		for i := range content {
			content[i] = byte(rand.Uint32())
		}
		f.Add(content, uint8(n))
	}
	f.Fuzz(func(t *testing.T, plain []byte, how uint8) {
		var source io.Reader = bytes.NewReader(plain)
		switch how % 4 {
		case 1:
			source = iotest.HalfReader(source)
		case 2:
			source = iotest.OneByteReader(source)
		case 3:
			source = iotest.DataErrReader(source)
		}
		a, err := NewAttachment(source, int64(len(plain)))
		if err != nil {
			t.Fatal(err)
		}
		cipher, err := io.ReadAll(a)
		if err != nil || len(cipher) != len(plain) {
			t.Fatalf("%d bytes of %d: %v", len(cipher), len(plain), err)
		}
		file, err := a.File("mxc://localhost/x")
		if err != nil || file.URL != "mxc://localhost/x" {
			t.Fatal(err)
		}
		if got := decrypt(t, file, cipher); !bytes.Equal(got, plain) {
			t.Error("other bytes")
		}
		if len(plain) > 31 && bytes.Contains(cipher, plain[:16]) {
			t.Error("it is in the clear")
		}
	})
}

// TestAttachmentJSON shows that an event says of an attachment what the specification asks for, each field of it.
func TestAttachmentJSON(t *testing.T) {
	a, _ := NewAttachment(strings.NewReader("hello"), 5)
	if _, err := io.Copy(io.Discard, a); err != nil {
		t.Fatal(err)
	}
	file, err := a.File("mxc://localhost/x")
	if err != nil {
		t.Fatal(err)
	}
	text, _ := json.Marshal(file)
	var got map[string]any
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	key, _ := got["key"].(map[string]any)
	hashes, _ := got["hashes"].(map[string]any)
	k, _ := key["k"].(string)
	iv, _ := got["iv"].(string)
	sum, _ := hashes["sha256"].(string)
	if key["kty"] != "oct" || key["alg"] != "A256CTR" || key["ext"] != true || got["v"] != "v2" || len(k) != 43 || len(iv) != 22 || len(sum) != 43 ||
		strings.ContainsAny(k, "+/=") || !strings.HasSuffix(iv, "AAAAAAAAAA") {
		t.Errorf("%s", text)
	}
}

// TestAttachmentOfAnotherLength shows that what became shorter is an error, that of what became longer no more is read, and that nothing is
// said of what was not read to its end.
func TestAttachmentOfAnotherLength(t *testing.T) {
	a, _ := NewAttachment(strings.NewReader("hello"), 6)
	if _, err := io.ReadAll(a); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("shorter: %v", err)
	}
	if _, err := a.File(""); err == nil {
		t.Error("shorter, and it has a hash")
	}
	a, _ = NewAttachment(strings.NewReader("hello, world"), 5)
	cipher, err := io.ReadAll(a)
	if err != nil {
		t.Fatal(err)
	}
	file, err := a.File("")
	if err != nil || string(decrypt(t, file, cipher)) != "hello" {
		t.Errorf("longer: %v", err)
	}
	a, _ = NewAttachment(iotest.ErrReader(io.ErrClosedPipe), 5)
	if _, err := io.ReadAll(a); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("broken: %v", err)
	}
}

// TestAttachmentsDiffer shows that each try has a key and a counter of its own.
func TestAttachmentsDiffer(t *testing.T) {
	seen := map[string]bool{}
	for range 100 {
		a, _ := NewAttachment(strings.NewReader(""), 0)
		_, _ = io.ReadAll(a)
		file, err := a.File("")
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range []string{file.Key.K, file.IV} {
			if seen[text] {
				t.Fatal("twice")
			}
			seen[text] = true
		}
	}
}

// zeros gives zeros for ever.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// TestAttachmentMemory shows that encrypting 300 MiB takes no memory that grows with it.
func TestAttachmentMemory(t *testing.T) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	a, err := NewAttachment(zeros{}, 300<<20)
	if err != nil {
		t.Fatal(err)
	}
	buffer := make([]byte, 64<<10)
	if n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{a}, buffer); err != nil || n != 300<<20 {
		t.Fatal(n, err)
	}
	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; used > 1<<20 {
		t.Errorf("%d bytes were allocated", used)
	}
}
