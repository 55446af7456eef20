package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"unicode/utf16"
)

// smbFile is a file on a share, open for writing. It exists because smbclient writes from front to back, where Windows
// Explorer gives a file its final size first: Truncate before WriteAt does as Explorer does.
//
// It speaks as much of SMB 2.0.2 as that takes, as an anonymous guest: [MS-SMB2] 2.2, [MS-NLMP] 2.2.1. The structures
// are written as there, all fields in order; those named in no comment are zero.
type smbFile struct {
	conn    net.Conn
	message uint64
	session uint64
	tree    uint32
	id      []byte
}

// smbCommand is a command with the StructureSize of its request, and where its buffer begins.
type smbCommand struct {
	number, size, buffer uint16
}

const smbHeader = 64

func smbNegotiate() smbCommand    { return smbCommand{0, 36, smbHeader + 36} }
func smbSessionSetup() smbCommand { return smbCommand{1, 25, smbHeader + 24} }
func smbTreeConnect() smbCommand  { return smbCommand{3, 9, smbHeader + 8} }
func smbCreate() smbCommand       { return smbCommand{5, 57, smbHeader + 56} }
func smbClose() smbCommand        { return smbCommand{6, 24, 0} }
func smbWrite() smbCommand        { return smbCommand{9, 49, smbHeader + 48} }
func smbSetInfo() smbCommand      { return smbCommand{17, 33, smbHeader + 32} }

// createOnShare makes the file name, with backslashes, on the share of the zoo's smbd at that port.
func createOnShare(port, name string) (*smbFile, error) {
	conn, err := net.Dial("tcp", "127.0.0.1:"+port)
	if err != nil {
		return nil, err
	}
	f := &smbFile{conn: conn}
	if err = f.enter(); err == nil {
		err = f.create(name)
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return f, nil
}

// enter agrees on a dialect, logs in and connects to the share.
func (f *smbFile) enter() error {
	const dialect, signing = 0x0202, 1
	if _, err := f.call(smbNegotiate(), uint16(1), uint16(signing), make([]byte, 2+4+16+8), uint16(dialect)); err != nil {
		return err
	}
	const flags = 0x00080201 // Unicode, NTLM, extended session security
	hello := smbFields([]byte("NTLMSSP\x00"), uint32(1), uint32(flags), make([]byte, 8+8))
	anonymous := smbFields([]byte("NTLMSSP\x00"), uint32(3))
	for range 6 { // answers, names and key: each empty, and at the end
		anonymous = append(anonymous, smbFields(uint32(0), uint32(64))...)
	}
	anonymous = append(anonymous, smbFields(uint32(flags))...)
	for _, token := range [][]byte{hello, anonymous} {
		answer, err := f.call(smbSessionSetup(), byte(0), byte(signing), make([]byte, 4+4), smbSessionSetup().buffer,
			uint16(len(token)), uint64(0), token)
		if err != nil {
			return err
		}
		f.session = binary.LittleEndian.Uint64(answer[40:])
	}
	share := smbText(`\\127.0.0.1\zoo`)
	answer, err := f.call(smbTreeConnect(), uint16(0), smbTreeConnect().buffer, uint16(len(share)), share)
	if err == nil {
		f.tree = binary.LittleEndian.Uint32(answer[36:])
	}
	return err
}

func (f *smbFile) create(name string) error {
	const impersonation, readWrite, normal, shareRead, overwriteOrMake, noDirectory = 2, 0x0012019f, 0x80, 1, 5, 0x40
	path := smbText(name)
	answer, err := f.call(smbCreate(), uint16(0), uint32(impersonation), make([]byte, 8+8), uint32(readWrite), uint32(normal),
		uint32(shareRead), uint32(overwriteOrMake), uint32(noDirectory), smbCreate().buffer, uint16(len(path)), uint64(0), path)
	if err != nil {
		return err
	}
	const at, length = smbHeader + 64, 16
	if len(answer) < at+length {
		return errors.New("the answer to CREATE is too short")
	}
	f.id = answer[at : at+length]
	return nil
}

// Truncate sets the size.
func (f *smbFile) Truncate(size int64) error {
	const ofFile, endOfFile = 1, 20
	_, err := f.call(smbSetInfo(), byte(ofFile), byte(endOfFile), uint32(8), smbSetInfo().buffer, make([]byte, 2+4), f.id, uint64(size))
	return err
}

func (f *smbFile) WriteAt(p []byte, at int64) (n int, err error) {
	const most = 64 << 10
	for n < len(p) && err == nil {
		piece := p[n:min(n+most, len(p))]
		if _, err = f.call(smbWrite(), smbWrite().buffer, uint32(len(piece)), uint64(at)+uint64(n), f.id, make([]byte, 4+4+4+4), piece); err == nil {
			n += len(piece)
		}
	}
	return n, err
}

func (f *smbFile) Close() error {
	_, err := f.call(smbClose(), make([]byte, 2+4), f.id)
	return errors.Join(err, f.conn.Close())
}

// call sends a request and returns the answer with its header.
func (f *smbFile) call(c smbCommand, values ...any) ([]byte, error) {
	const credits = 8
	// CreditCharge and Status; Flags and NextCommand; Reserved; Signature.
	packet := smbFields([]byte("\xfeSMB"), uint16(smbHeader), make([]byte, 2+4), c.number, uint16(credits), make([]byte, 4+4),
		f.message, make([]byte, 4), f.tree, f.session, make([]byte, 16), c.size)
	packet = append(packet, smbFields(values...)...)
	f.message++
	length := binary.BigEndian.AppendUint32(nil, uint32(len(packet)))
	if _, err := f.conn.Write(append(length, packet...)); err != nil {
		return nil, err
	}
	const more, pending = 0xc0000016, 0x103
	for {
		answer, err := f.answer()
		if err != nil {
			return nil, err
		}
		switch status := binary.LittleEndian.Uint32(answer[8:]); status {
		case 0, more:
			return answer, nil
		case pending: // the answer is still to come
		default:
			return nil, fmt.Errorf("SMB command %d: status %#x", c.number, status)
		}
	}
}

func (f *smbFile) answer() ([]byte, error) {
	var length [4]byte
	if _, err := io.ReadFull(f.conn, length[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(length[:])
	if n < smbHeader || n > 1<<20 {
		return nil, fmt.Errorf("an SMB answer of %d bytes", n)
	}
	answer := make([]byte, n)
	_, err := io.ReadFull(f.conn, answer)
	return answer, err
}

// smbFields lays out values of fixed size, little-endian.
func smbFields(values ...any) (b []byte) {
	for _, v := range values {
		var err error
		if b, err = binary.Append(b, binary.LittleEndian, v); err != nil {
			panic(err)
		}
	}
	return b
}

func smbText(s string) []byte { return smbFields(utf16.Encode([]rune(s))) }
