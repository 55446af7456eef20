package wire

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// ackedBytes is the number of bytes that the peer's kernel has acknowledged on a connection (tcp(7), TCP_INFO; Linux 4.1), or
// 0 if that is not known.
func ackedBytes(c net.Conn) uint64 {
	s, ok := c.(syscall.Conn)
	if !ok {
		return 0
	}
	raw, err := s.SyscallConn()
	if err != nil {
		return 0
	}
	var acked uint64
	err = raw.Control(func(fd uintptr) {
		if info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO); err == nil {
			acked = info.Bytes_acked
		}
	})
	if err != nil {
		return 0
	}
	return acked
}
