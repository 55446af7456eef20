package systemd_test

import (
	"net/netip"
	"os"
	"strings"
	"testing"
)

// TestUnitAllowsEveryAddress: by the unit the daemon may speak to each address that a server, a proxy or a name server can have, and to no
// multicast and broadcast.
func TestUnitAllowsEveryAddress(t *testing.T) {
	b, err := os.ReadFile("kaizala-drop.service")
	if err != nil {
		t.Fatal(err)
	}
	var allowed []netip.Prefix
	for line := range strings.Lines(string(b)) {
		list, _ := strings.CutPrefix(strings.TrimSpace(line), "IPAddressAllow=")
		if list == strings.TrimSpace(line) {
			continue
		}
		for word := range strings.FieldsSeq(list) {
			p, err := netip.ParsePrefix(word)
			if err != nil || p.Masked() != p {
				t.Fatalf("%s: %v, %v", word, p.Masked(), err)
			}
			allowed = append(allowed, p)
		}
	}
	may := func(a netip.Addr) bool {
		for _, p := range allowed {
			if p.Contains(a) {
				return true
			}
		}
		return false
	}
	for first := range 256 {
		four := netip.AddrFrom4([4]byte{byte(first), 1, 2, 3})
		if got, want := may(four), (first < 224 || first >= 240) && first != 255; got != want {
			t.Errorf("%s: %t", four, got)
		}
		six := netip.AddrFrom16([16]byte{byte(first), 0x80, 15: 1})
		if got, want := may(six), first != 255; got != want {
			t.Errorf("%s: %t", six, got)
		}
	}
}
