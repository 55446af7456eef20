package wire

import (
	"strings"
	"testing"
)

// TestProxies: what the environment names is shown without name and password, and what is no proxy is said without them, too.
func TestProxies(t *testing.T) {
	tests := []struct {
		variable, value string
		want            string // address, or what the error says
	}{
		{"HTTPS_PROXY", "http://proxy.example.org:3128", "proxy.example.org:3128"},
		{"HTTPS_PROXY", "http://proxy.example.org:3128/", "proxy.example.org:3128"},
		{"https_proxy", "proxy.example.org:3128", "proxy.example.org:3128"},
		{"HTTPS_PROXY", "clerk:hunter2@proxy", "proxy"},
		{"HTTPS_PROXY", "http://clerk:hunter%402@[2001:db8::1]:3128", "[2001:db8::1]:3128"},
		{"http_proxy", "socks5h://clerk:hunter2@127.0.0.1:1080", "127.0.0.1:1080"},
		{"HTTP_PROXY", "HTTPS://proxy", "proxy"},
		{"HTTPS_PROXY", "socks4://127.0.0.1:1080", `nothing is known of proxies that begin with "socks4://"`},
		{"HTTPS_PROXY", "http://clerk:hunter#2@proxy:3128", "it cannot be read as a URL"},
		{"HTTPS_PROXY", "http://clerk:1#hunter2@proxy:3128", "something follows its host and port"},
		{"HTTPS_PROXY", "http://clerk:hunter2@proxy:three", "it cannot be read as a URL"},
		{"https_proxy", "http://clerk:hunter 2@", "it cannot be read as a URL"},
		{"HTTPS_PROXY", "http://clerk:hunter2@", "it has no host"},
		{"HTTPS_PROXY", "http://clerk:hunter2@proxy:3128/hunter2", "something follows its host and port"},
		{"HTTPS_PROXY", "\x00hunter2", "it cannot be read as a URL"},
		{"HTTPS_PROXY", " ", "it cannot be read as a URL"},
	}
	for _, tt := range tests {
		found, err := Proxies(func(name string) string { return map[string]string{tt.variable: tt.value}[name] })
		switch {
		case err == nil && (len(found) != 1 || found[0] != Proxy{tt.variable, tt.want}):
			t.Errorf("%s=%q: %v", tt.variable, tt.value, found)
		case err != nil && (!strings.HasPrefix(err.Error(), tt.variable+" is no proxy's address: "+tt.want) || strings.Contains(err.Error(), "hunter")):
			t.Errorf("%s=%q: %v", tt.variable, tt.value, err)
		}
	}
}

// TestNoProxy: without the variables there is none.
func TestNoProxy(t *testing.T) {
	if found, err := Proxies(func(string) string { return "" }); err != nil || len(found) != 0 {
		t.Errorf("%v, %v", found, err)
	}
}
