//go:build linux

// Command oddfs shows a folder through FUSE as a file system whose rules differ from those of ext4. It is for the tests
// of internal/mounts.
//
// It reads commands from its standard input, one on each line, and answers each with one line:
//
//	fail OPERATION SKIP COUNT ERRNO    make COUNT calls of the operation fail, after SKIP calls that work; "any" is every operation
//	clear                              no more failures; the answer has the number of calls that were made to fail
//
// OPERATION is a word of FUSE: lookup, create, unlink, rename, link, mkdir, write, fsync, fsyncdir, ...
package main

import (
	"bufio"
	"flag"
	"fmt"
	"os"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

func main() {
	var r rules
	flag.IntVar(&r.max, "max", 255, "length of the longest name, in bytes")
	flag.IntVar(&r.says, "says", 0, "length of the longest name that statfs tells (0: the true one)")
	flag.BoolVar(&r.noReplace, "noreplace", true, "whether it knows RENAME_NOREPLACE")
	flag.BoolVar(&r.links, "links", true, "whether it knows link(2)")
	flag.BoolVar(&r.symlinks, "symlinks", true, "whether it knows symlink(2)")
	flag.BoolVar(&r.windows, "windows", false, "refuse the names that Windows does not take")
	flag.BoolVar(&r.utf8, "utf8", false, "refuse the names that are not UTF-8")
	flag.BoolVar(&r.pathInodes, "path-inodes", false, "make inode numbers up from the name, so that a rename changes them")
	flag.UintVar(&r.nlink, "nlink", 0, "the number of links that each file has (0: the true one)")
	flag.Parse()
	if err := serve(r, flag.Arg(0), flag.Arg(1)); err != nil {
		fmt.Fprintln(os.Stderr, "oddfs:", err)
		os.Exit(1)
	}
}

func serve(r rules, source, target string) error {
	root, err := fs.NewLoopbackRoot(source)
	if err != nil {
		return err
	}
	opts := &fs.Options{NullPermissions: true, MountOptions: fuse.MountOptions{
		AllowOther: true, DirectMount: true, DisableReadDirPlus: true, FsName: "oddfs", Name: "oddfs", Options: []string{"default_permissions"},
	}}
	odd := &oddFS{RawFileSystem: fs.NewNodeFS(root, opts), rules: r, inodes: map[uint64]uint64{}}
	server, err := fuse.NewServer(odd, target, &opts.MountOptions)
	if err != nil {
		return err
	}
	go func() {
		for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
			fmt.Println(odd.command(lines.Text()))
		}
	}()
	server.Serve()
	return nil
}
