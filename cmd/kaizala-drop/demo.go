package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"kaizala-drop/internal/config"
	"kaizala-drop/internal/ledger"
	"kaizala-drop/internal/media"
	"kaizala-drop/internal/samples"
	"kaizala-drop/internal/sandbox"
	"kaizala-drop/internal/text"
)

func newDemo() *cobra.Command {
	var dir, listen string
	var once bool
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Try it all without an account: a server, folders, and files to play with",
		Long: `demo starts a Kaizala-compatible sandbox on a free loopback port, makes a drop folder for each of three groups, drops
real small files in, and runs the daemon on them. Open the page it prints and drop in files of your own. It overwrites
nothing of yours: a sample whose name is taken gets a number.

With --once it waits until all is filed, prints what arrived, and exits 0 only if everything ended where it should.`,
		Example: `  kaizala-drop demo
  kaizala-drop demo --once --dir /tmp/kaizala-drop-demo`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := untilSignalled(cmd.Context())
			defer stop()
			d, err := newDemonstration(cmd.Context(), dir, listen, cmd.OutOrStdout(), cmd.ErrOrStderr())
			if err != nil {
				return failed(err)
			}
			return failed(d.run(ctx, once))
		},
	}
	cmd.Flags().StringVar(&dir, "dir", "kaizala-drop-demo", "make the folders in `FOLDER`")
	cmd.Flags().StringVar(&listen, "listen", "127.0.0.1:0", "the `ADDRESS` of the sandbox")
	cmd.Flags().BoolVar(&once, "once", false, "wait until all is filed, print what arrived, and exit")
	return cmd
}

// demonstration is the demo's server, its configuration and what it dropped.
type demonstration struct {
	dir     string         // absolute
	book    *ledger.Ledger // open until the daemon opens it: that keeps a second demo out
	sandbox *openedSandbox
	config  config.Config
	log     zerolog.Logger
	out     io.Writer
	dropped []droppedFile
	bar     *progress
}

// droppedFile is a sample, under the name that it got, and what should become of it.
type droppedFile struct {
	samples.Sample
	folder string // of demoGroups
	fails  bool   // Kaizala does not take it
}

// demoGroups are the groups of the demo, by the names of their drop folders.
func demoGroups() []sandbox.Group {
	return []sandbox.Group{
		{ID: "2f1e5a54-7c1d-4d0b-9a53-5f0a6f3f9a01@2", Name: "reception"},
		{ID: "8f6d2c37-0b5e-4a54-8d0c-7f3c1c5a7b02@2", Name: "site photos"},
		{ID: "c0a9f3de-3a7e-4b39-b1c7-9e2d4f6a8c03@2", Name: "plant"},
	}
}

// demoFolder is where a sample of this type is dropped.
func demoFolder(a media.Kind) string {
	switch a {
	case media.Image, media.Video:
		return "site photos"
	case media.Audio:
		return "plant"
	}
	return "reception"
}

// newDemonstration makes the folders, the sandbox and the configuration. The ledger is opened before anything is
// changed: if it is locked, another demo is at work here.
func newDemonstration(ctx context.Context, dir, listen string, out, logs io.Writer) (*demonstration, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	bar := newProgress(out, logs)
	d := &demonstration{dir: dir, out: out, bar: bar, log: zerolog.New(bar).Hook(bar).With().Timestamp().Logger()}
	if err := d.claimDir(); err != nil {
		return nil, err
	}
	d.book, err = ledger.Open(d.folder("state"))
	if errors.Is(err, ledger.ErrLocked) {
		return nil, fmt.Errorf("a demo is at work in %q already: name another folder with --dir: %w", dir, err)
	}
	if err != nil {
		return nil, err
	}
	if err := d.prepare(ctx, listen); err != nil {
		return nil, errors.Join(err, d.book.Close())
	}
	return d, nil
}

// prepare does all that needs the lock.
func (d *demonstration) prepare(ctx context.Context, listen string) error {
	if err := d.clearMedia(); err != nil {
		return err
	}
	s, err := openSandbox(ctx, listen, sandbox.Options{Dir: d.folder("sandbox"), Groups: demoGroups()})
	if err != nil {
		return err
	}
	d.sandbox = s
	if err = d.callable(); err == nil {
		err = d.configure()
	}
	if err != nil {
		_ = s.listener.Close()
	}
	return err
}

// clearMedia removes what the sandbox of an earlier demo kept: numbers with an ending, as it names them.
func (d *demonstration) clearMedia() error {
	kept, err := os.ReadDir(d.folder("sandbox"))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	mediaName := regexp.MustCompile(`^[0-9]+\.[0-9a-z]+$`)
	for _, f := range kept {
		if f.Type().IsRegular() && mediaName.MatchString(f.Name()) {
			err = errors.Join(err, os.Remove(filepath.Join(d.folder("sandbox"), f.Name())))
		}
	}
	return err
}

func (d *demonstration) folder(name string) string { return filepath.Join(d.dir, name) }

// callable sees that the daemon will take the sandbox's address: without encryption, it calls none but this machine.
func (d *demonstration) callable() error {
	if u, err := url.Parse(d.sandbox.url); err != nil || !net.ParseIP(u.Hostname()).IsLoopback() {
		return fmt.Errorf("the demo cannot post to %s, as without encryption only this machine is called: "+
			"choose 127.0.0.1 with --listen, or 0.0.0.0 to let others see the page", d.sandbox.url)
	}
	return nil
}

// run drops the samples and runs the daemon on them until ctx ends or, with once, until they are filed.
func (d *demonstration) run(ctx context.Context, once bool) error {
	ctx, cancel := context.WithCancel(ctx)
	serving := start(func() error { return d.sandbox.serve(ctx) })
	defer func() { cancel(); <-serving }()

	if err := errors.Join(d.drop(), d.book.Close()); err != nil {
		return err
	}
	d.greet(once)
	if once {
		d.bar.begin(len(d.dropped))
	}
	sum, err := (&daemon{config: d.config, once: once, options: optionsFor(d.folder("config.toml")), log: d.log}).run(ctx)
	d.bar.end()
	if err != nil || !once {
		return err
	}
	return d.report(sum)
}

// drop puts the samples into the folders, as a person would.
func (d *demonstration) drop() error {
	for _, s := range samples.All() {
		t, _ := media.ByName(s.Name)
		d.dropped = append(d.dropped, droppedFile{Sample: s, folder: demoFolder(t.Kind)})
	}
	d.dropped = append(d.dropped, droppedFile{Sample: samples.Unsupported(), folder: "reception", fails: true})
	for i, f := range d.dropped {
		name, err := dropNew(d.folder(f.folder), f.Sample)
		if err != nil {
			return err
		}
		d.dropped[i].Name = name
	}
	return nil
}

// dropNew writes a file of its own: what a person dropped there has the name, and the sample gets a number.
func dropNew(dir string, s samples.Sample) (name string, err error) {
	ext := filepath.Ext(s.Name)
	name = s.Name
	for n := 2; ; n++ {
		err := writeNew(filepath.Join(dir, name), s.Bytes)
		if !errors.Is(err, os.ErrExist) {
			return name, err
		}
		name = fmt.Sprintf("%s (%d)%s", strings.TrimSuffix(s.Name, ext), n, ext)
	}
}

// writeNew writes a file that must not be there, all of it or none.
func writeNew(path string, content []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, os.Remove(path))
	}
	return nil
}

func (d *demonstration) greet(once bool) {
	fmt.Fprintf(d.out, "The sandbox, where the messages appear:  %s/\n", d.sandbox.url)
	if d.sandbox.exposed != d.sandbox.url {
		fmt.Fprintf(d.out, "Anyone who reaches %s can read what is posted there.\n", d.sandbox.exposed)
	}
	for _, g := range demoGroups() {
		fmt.Fprintf(d.out, "Drop files for %-26q%s\n", g.Name, d.folder(g.Name))
	}
	if !once {
		fmt.Fprintln(d.out, "Drop in files of your own; Ctrl-C ends it. In another terminal:")
		fmt.Fprintf(d.out, "  kaizala-drop status --config %s\n", text.Quoted(d.folder("config.toml")))
	}
	fmt.Fprintln(d.out)
}
