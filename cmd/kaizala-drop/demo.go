package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/BurntSushi/toml"
	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"kaizala-drop/internal/config"
	"kaizala-drop/internal/media"
	"kaizala-drop/internal/samples"
	"kaizala-drop/internal/sandbox"
)

func newDemo() *cobra.Command {
	var dir, listen string
	var once bool
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Try it all without an account: a server, folders, and files to play with",
		Long: `demo starts a Kaizala-compatible sandbox on a free loopback port, makes a drop folder for each of three groups, drops
real small files in, and runs the daemon on them. Open the page it prints and drop in files of your own.

With --once it waits until all is filed, prints what arrived, and exits 0 only if everything ended where it should.`,
		Example: `  kaizala-drop demo
  kaizala-drop demo --once --dir /tmp/kaizala-drop-demo`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGTERM, syscall.SIGINT)
			defer stop()
			d, err := newDemonstration(dir, listen, cmd.OutOrStdout(), cmd.ErrOrStderr())
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
	dir     string // absolute
	sandbox *openedSandbox
	config  config.Config
	log     zerolog.Logger
	out     io.Writer
	dropped []droppedFile
}

// droppedFile is a sample, and what should become of it.
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
func demoFolder(a media.Action) string {
	switch a {
	case media.Image, media.Video:
		return "site photos"
	case media.Audio:
		return "plant"
	}
	return "reception"
}

// newDemonstration makes the folders, the sandbox and the configuration.
func newDemonstration(dir, listen string, out, logs io.Writer) (*demonstration, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	s, err := openSandbox(listen, sandbox.Options{Dir: filepath.Join(dir, "sandbox"), Groups: demoGroups()})
	if err != nil {
		return nil, err
	}
	d := &demonstration{dir: dir, sandbox: s, out: out, log: zerolog.New(console(logs)).With().Timestamp().Logger()}
	path, err := d.writeConfig()
	if err == nil {
		d.config, err = loadConfig(path)
	}
	if err != nil {
		s.listener.Close()
		return nil, err
	}
	return d, nil
}

func (d *demonstration) folder(name string) string { return filepath.Join(d.dir, name) }

// writeConfig writes the configuration that the demo runs with: it serves as an example, too.
func (d *demonstration) writeConfig() (path string, err error) {
	type table = map[string]any
	var folders []table
	for _, g := range demoGroups() {
		if err := os.MkdirAll(d.folder(g.Name), 0o755); err != nil {
			return "", err
		}
		folders = append(folders, table{"path": d.folder(g.Name), "group_id": g.ID, "caption": "{{.Stem}}"})
	}
	text, err := toml.Marshal(table{
		"state_dir": filepath.Join(d.dir, "state"),
		"kaizala": table{
			"endpoint": d.sandbox.url, "application_id": "demo", "application_secret": "demo", "refresh_token": "demo",
			"calls_per_minute": 0,
		},
		"defaults": table{"settle": "1s"},
		"folder":   folders,
	})
	if err != nil {
		return "", err
	}
	path = filepath.Join(d.dir, "config.toml")
	return path, os.WriteFile(path, text, 0o600)
}

// run drops the samples and runs the daemon on them until ctx ends or, with once, until they are filed.
func (d *demonstration) run(ctx context.Context, once bool) error {
	ctx, cancel := context.WithCancel(ctx)
	serving := start(func() error { return d.sandbox.serve(ctx) })
	defer func() { cancel(); <-serving }()

	if err := d.drop(); err != nil {
		return err
	}
	d.greet(once)
	sum, err := (&daemon{config: d.config, once: once, log: d.log}).run(ctx)
	if err != nil || !once {
		return err
	}
	return d.report(sum)
}

// drop puts the samples into the folders, as a person would.
func (d *demonstration) drop() error {
	for _, s := range samples.All() {
		t, _ := media.ByName(s.Name)
		d.dropped = append(d.dropped, droppedFile{Sample: s, folder: demoFolder(t.Action)})
	}
	d.dropped = append(d.dropped, droppedFile{Sample: samples.Unsupported(), folder: "reception", fails: true})
	for _, f := range d.dropped {
		if err := os.WriteFile(filepath.Join(d.folder(f.folder), f.Name), f.Bytes, 0o644); err != nil {
			return err
		}
	}
	return nil
}

func (d *demonstration) greet(once bool) {
	fmt.Fprintf(d.out, "The sandbox, where the messages appear:  %s/\n", d.sandbox.url)
	for _, g := range demoGroups() {
		fmt.Fprintf(d.out, "Drop files for %-26q%s\n", g.Name, d.folder(g.Name))
	}
	if !once {
		fmt.Fprintln(d.out, "Drop in files of your own; Ctrl-C ends it.")
	}
	fmt.Fprintln(d.out)
}
