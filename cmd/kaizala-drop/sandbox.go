package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"kaizala-drop/internal/sandbox"
)

func newSandbox() *cobra.Command {
	var listen, dir, chaos string
	var groups []string
	cmd := &cobra.Command{
		Use:   "sandbox",
		Short: "Run a Kaizala-compatible server to try things with",
		Long: `sandbox runs a server that speaks Kaizala's wire as far as it is documented, and shows on a page what was posted. It
is for trying and testing: it takes any application id, secret and refresh token, keeps the media in a folder that is
removed at the end, and anyone who can reach it can read all of it. It listens on loopback unless told otherwise.
It also takes "kaizala-drop login", with any phone number: the PIN is printed here.

With --chaos it misbehaves: it fails, delays, loses answers, resets connections, refuses tokens, moves and throttles, as a
file says (TOML). What it has taken it still shows. A file with every key:

` + indented(sandbox.ChaosExample()) + `
What can be done to a call: ` + strings.Join(sandbox.Disturbances(), ", ") + `.`,
		Example: `  kaizala-drop sandbox
  kaizala-drop sandbox --chaos chaos.toml
  kaizala-drop sandbox --listen 127.0.0.1:8410 --group reception@2=Reception --group plant@2=Plant`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := untilSignalled(cmd.Context())
			defer stop()
			return failed(serveSandbox(ctx, cmd.OutOrStdout(), listen, dir, groups, chaos))
		},
	}
	cmd.Flags().StringVar(&listen, "listen", "127.0.0.1:8410", "the `ADDRESS` to listen on")
	cmd.Flags().StringArrayVar(&groups, "group", []string{"reception@2=Reception", "site@2=Site photos", "plant@2=Plant"},
		"a group there is, as `ID=NAME`; may be given several times")
	cmd.Flags().StringVar(&chaos, "chaos", "", "misbehave as the `FILE` says (see above)")
	cmd.Flags().StringVar(&dir, "dir", "", "keep the media in `FOLDER`, and keep it at the end (default: a temporary one)")
	return cmd
}

func serveSandbox(ctx context.Context, out io.Writer, listen, dir string, names []string, chaosFile string) error {
	if dir == "" {
		temp, err := os.MkdirTemp("", "kaizala-drop-sandbox-")
		if err != nil {
			return err
		}
		defer func() { _ = os.RemoveAll(temp) }() // what stays is swept with the machine's temporary files
		dir = temp
	}
	groups, err := parseGroups(names)
	if err != nil {
		return err
	}
	o := sandbox.Options{Dir: dir, Groups: groups, OnPIN: func(mobileNumber, pin string) {
		fmt.Fprintf(out, "PIN %s for %s\n", pin, mobileNumber)
	}}
	if chaosFile != "" {
		if o.Chaos, err = sandbox.LoadChaos(chaosFile); err != nil {
			return err
		}
	}
	s, err := openSandbox(ctx, listen, o)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "A sandbox for trying and testing, not Kaizala: anyone who reaches %s can read what is posted there.\n\n", s.exposed)
	fmt.Fprintf(out, "page       %s/\n\n[kaizala]\nendpoint = %q\napplication_id = \"any\"\napplication_secret = \"any\"\nrefresh_token = \"any\"\n\n", s.url, s.url)
	for _, g := range groups {
		fmt.Fprintf(out, "group_id = %q   # %s\n", g.ID, g.Name)
	}
	return s.serve(ctx)
}

// indented sets off an example in a help text.
func indented(text string) string {
	return strings.ReplaceAll("  "+strings.ReplaceAll(text, "\n", "\n  "), "\n  \n", "\n\n")
}

func parseGroups(names []string) ([]sandbox.Group, error) {
	groups := make([]sandbox.Group, len(names))
	for i, pair := range names {
		id, name, _ := strings.Cut(pair, "=")
		if id == "" {
			return nil, fmt.Errorf("--group %q has no id: give ID=NAME", pair)
		}
		groups[i] = sandbox.Group{ID: id, Name: name}
	}
	return groups, nil
}

// openedSandbox is a sandbox that has its address.
type openedSandbox struct {
	*sandbox.Server
	url      string // for this machine
	exposed  string // for everyone: what must be reached to read along
	listener net.Listener
}

func openSandbox(ctx context.Context, listen string, o sandbox.Options) (*openedSandbox, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", listen)
	if err != nil {
		return nil, fmt.Errorf("cannot listen on %q: %w: choose another address with --listen", listen, err)
	}
	s, err := sandbox.New(o)
	if err != nil {
		_ = listener.Close()
		return nil, err
	}
	url, exposed := addressOf(listener.Addr())
	return &openedSandbox{Server: s, url: url, exposed: exposed, listener: listener}, nil
}

// addressOf says where a listener is reached: from this machine, and at all. What listens on all addresses has none that
// could be called.
func addressOf(addr net.Addr) (url, exposed string) {
	if tcp, ok := addr.(*net.TCPAddr); ok && tcp.IP.IsUnspecified() {
		return fmt.Sprintf("http://127.0.0.1:%d", tcp.Port), fmt.Sprintf("port %d of this machine", tcp.Port)
	}
	url = "http://" + addr.String()
	return url, url
}

// serve answers until ctx ends.
func (s *openedSandbox) serve(ctx context.Context) error {
	server := &http.Server{Handler: s.Server, ConnState: s.ConnState, ReadHeaderTimeout: 10 * time.Second}
	server.RegisterOnShutdown(s.Close)
	stopped := make(chan error, 1)
	stop := context.AfterFunc(ctx, func() {
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer cancel()
		stopped <- errors.Join(server.Shutdown(last), server.Close())
	})
	err := server.Serve(s.listener)
	if stop() { // Serve ended by itself
		return err
	}
	<-stopped // connections that were still open were closed
	return nil
}
