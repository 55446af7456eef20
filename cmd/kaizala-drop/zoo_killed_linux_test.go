package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// killing is a writer that is killed half way. Nothing of what it brought is ever posted.
//
// Two of the formats have no sign of being cut off. An MP3 is a row of frames, and a WAV of unknown length, which ffmpeg
// and other recorders leave until they close it, has data to its end: when their writer has died, such files look whole.
// They are here only where something else shows it: they are sparse.
type killing struct {
	name, file string
	needs      []string
	start      func(v *visit) *exec.Cmd // slow enough, about 300 kB/s, to be caught half way
	end        func(t *testing.T, v *visit)

	abroad bool   // its source is on another file system
	server bool   // kill the process that writes the file, instead of its client
	itself bool   // it is killed by how it is started
	at     int64  // kill it when so many bytes are on disk; 0: a third; -1: when there is a file at all
	grows  string // the file to look at; "": the one that is brought
}

func (k killing) visitor() visitor {
	return visitor{name: k.name, file: k.file, needs: k.needs, abroad: k.abroad, bring: func(v *visit) error {
		return v.killHalfWay(k.start(v), k)
	}}
}

// killHalfWay starts cmd and kills it in the midst of its work. That it ended well is an error.
func (v *visit) killHalfWay(cmd *exec.Cmd, k killing) error {
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return err
	}
	if !k.itself {
		if err := v.kill(cmd, k); err != nil {
			_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
			return fmt.Errorf("%w: %w: %s", err, cmd.Wait(), &out)
		}
	}
	err := cmd.Wait()
	if err == nil {
		return fmt.Errorf("it ended well, although it was killed: %s", &out)
	}
	if _, exited := errors.AsType[*exec.ExitError](err); !exited {
		return err
	}
	return nil
}

func (v *visit) kill(cmd *exec.Cmd, k killing) error {
	glob, size := k.grows, k.at
	if glob == "" {
		glob = filepath.Base(v.path)
	}
	switch size {
	case 0:
		size = int64(len(v.content) / 3)
	case -1:
		size = 0
	}
	path, err := v.grown(glob, size)
	group := -cmd.Process.Pid
	switch {
	case err != nil:
		return err
	case !k.server:
		return syscall.Kill(group, syscall.SIGKILL)
	}
	if err := syscall.Kill(group, syscall.SIGSTOP); err != nil { // it must not come to its end meanwhile
		return err
	}
	n, err := killWriters(path)
	if err == nil && n == 0 {
		err = fmt.Errorf("no process was writing %s", path)
	}
	return errors.Join(err, syscall.Kill(group, syscall.SIGCONT))
}

// truncated waits until the file is in failed/, with a reason that a person understands.
func truncated(t *testing.T, v *visit) {
	t.Helper()
	name := "failed/" + filepath.Base(v.path)
	eventually(t, func() error {
		if n := len(v.posts()); n > 0 {
			t.Fatal("half a file was posted")
		}
		_, err := os.Lstat(filepath.Join(v.dir, name+".reason.txt"))
		return err
	})
	got := files(t, v.dir)
	note := got[name+".reason.txt"]
	for _, word := range []string{"truncated", "verify_ending"} {
		if !strings.Contains(note, word) {
			t.Errorf("the reason does not say %q:\n%s", word, note)
		}
	}
	if rest := got[name]; rest == "" || rest == string(v.content) {
		t.Errorf("%d bytes of %d are in failed/: this was not half a file", len(rest), len(v.content))
	}
	for other := range got {
		if !strings.HasPrefix(other, "failed/") && !strings.HasPrefix(other, ".") {
			t.Errorf("%s was left behind", other)
		}
	}
}

// unnoticed means that only a name which is never a candidate was written.
func unnoticed(t *testing.T, v *visit) {
	t.Helper()
	for name := range files(t, v.dir) {
		if !strings.HasPrefix(name, ".") {
			t.Errorf("%s is there", name)
		}
	}
	if lines := v.logged(`"file":`); len(lines) > 0 {
		t.Errorf("the log speaks of a file: %s", lines)
	}
}

// leftThere waits until the log has told the reason, and sees the file where it was.
func leftThere(reason string) func(t *testing.T, v *visit) {
	return func(t *testing.T, v *visit) {
		t.Helper()
		name := filepath.Base(v.path)
		eventually(t, func() error {
			if len(v.logged(reason)) == 0 {
				return fmt.Errorf("the log does not say %q", reason)
			}
			return nil
		})
		if got := files(t, v.dir); len(got) != 1 || !slices.Contains(keysOf(got, ""), name) {
			t.Errorf("in the folder: %q", keysOf(got, ""))
		}
	}
}

func killings() []killing {
	return slices.Concat(localKillings(), remoteKillings(), ownKillings())
}

// strace kills a program at its fifth write of 128 KiB.
func strace(args ...string) killing {
	return killing{name: strings.Join(args, " ") + ", killed", file: "scan.pdf", needs: []string{"strace", args[0]},
		itself: true, end: truncated, start: func(v *visit) *exec.Cmd {
			return v.command(slices.Concat([]string{"strace", "-f", "-o", v.cage + "/strace", "-e", "trace=write,copy_file_range",
				"-e", "inject=copy_file_range:error=ENOSYS", "-e", "inject=write:signal=KILL:when=5"}, args, []string{"SOURCE", "TARGET"})...)
		}}
}

func localKillings() []killing {
	rsync := func(name string, end func(*testing.T, *visit), grows string, options ...string) killing {
		return killing{name: name, file: "scan.pdf", needs: []string{"rsync"}, grows: grows, end: end, start: func(v *visit) *exec.Cmd {
			return v.command(slices.Concat([]string{"rsync", "--bwlimit=300"}, options, []string{"SOURCE", "TARGET"})...)
		}}
	}
	across := strace("mv")
	across.name, across.abroad = "mv across file systems, killed", true
	return []killing{
		strace("cp"), strace("cp", "-p"), strace("install"), across,
		{name: "dd, killed", file: "sound.wav", needs: []string{"dd"}, end: truncated, start: func(v *visit) *exec.Cmd {
			return v.slowly("dd of=TARGET bs=64k iflag=fullblock status=none")
		}},
		rsync("rsync -a, killed", unnoticed, ".scan.pdf.*", "-a"),
		rsync("rsync --inplace, killed", truncated, "", "--inplace"),
		{name: "ffmpeg, mp4, killed", file: "film.mp4", needs: []string{"ffmpeg"}, at: 1, end: truncated, start: func(v *visit) *exec.Cmd {
			return v.recorder(v.path, inRealTime(), "testsrc=size=320x240:rate=25:duration=30", "-c:v", "mpeg4", "-threads", "1")
		}},
		{name: "curl, downloading, killed", file: "photo.jpg", needs: []string{"curl"}, end: truncated, start: func(v *visit) *exec.Cmd {
			return v.download("?half")
		}},
	}
}

func remoteKillings() []killing {
	var all []killing
	both := func(k killing) { // the client, and the process of the server
		server := k
		server.server = true
		k.name, server.name = k.name+", client killed", k.name+", server killed"
		all = append(all, k, server)
	}
	both(killing{name: "curl to vsftpd", file: "scan.pdf", needs: []string{"curl", "vsftpd"}, end: truncated, start: func(v *visit) *exec.Cmd {
		return exec.CommandContext(v, "curl", "-sS", "--limit-rate", "300K", "-T", v.source, v.ftp(v.vsftpd()))
	}})
	all = append(all, killing{name: "lftp to vsftpd, client killed", file: "photo.jpg", needs: []string{"lftp", "vsftpd"}, end: truncated,
		start: func(v *visit) *exec.Cmd { // when its server is killed, it may come back and go on
			return v.lftp(v.vsftpd(), "set net:limit-rate 300000; put")
		}})
	both(killing{name: "smbclient", file: "letter.docx", needs: []string{"smbclient", "smbd"}, end: truncated, at: 60 << 10,
		start: func(v *visit) *exec.Cmd { // it sends 64 KiB, and the rest when all of it can be read
			return v.slowly(shellQuoted(v.smbclient("-").Args))
		}})
	explorer := func(name, file string) killing {
		return killing{name: name, file: file, needs: []string{"smbd"}, end: truncated, start: func(v *visit) *exec.Cmd {
			return v.own("share " + v.z.servers.smbd + "; truncate 100; fill 0-50; wait 10s; fill 50-100; close")
		}}
	}
	both(explorer("Explorer to smbd", "photo.jpg"))
	both(explorer("Explorer to smbd, mp3", "melody.mp3"))
	both(killing{name: "sftp", file: "scan.pdf", needs: []string{"sftp", "sshd"}, end: truncated, start: func(v *visit) *exec.Cmd {
		return v.sftp("put", "-l", "2400")
	}})
	both(killing{name: "scp", file: "film.3gpp", needs: []string{"scp", "sshd"}, end: truncated, start: func(v *visit) *exec.Cmd {
		return v.scp("-l", "2400")
	}})
	both(killing{name: "scp -O -p", file: "scan.pdf", needs: []string{"scp", "sshd"}, end: truncated, start: func(v *visit) *exec.Cmd {
		return v.scp("-O", "-p", "-l", "2400")
	}})
	proftpd := killing{name: "curl to proftpd", file: "scan.pdf", needs: []string{"curl", "proftpd"}, grows: ".in.scan.pdf.",
		start: func(v *visit) *exec.Cmd {
			return exec.CommandContext(v, "curl", "-sS", "--limit-rate", "300K", "-T", v.source, v.ftp(v.proftpd()))
		}}
	both(proftpd)
	client, server := &all[len(all)-2], &all[len(all)-1]
	client.end, server.end = truncated, unnoticed // it renames what has come when the client dies, not when it does itself
	partial := killing{name: "rsync --partial over ssh, client killed", file: "scan.pdf", needs: []string{"rsync", "sshd"}, grows: ".scan.pdf.*",
		end: truncated, start: func(v *visit) *exec.Cmd { return v.rsyncOverSSH("--partial", "--bwlimit=300") }}
	return append(all, partial)
}

func shellQuoted(args []string) string {
	var quoted []string
	for _, arg := range args {
		quoted = append(quoted, "'"+strings.ReplaceAll(arg, "'", `'\''`)+"'")
	}
	return strings.Join(quoted, " ")
}

func ownKillings() []killing {
	own := func(name, file string, end func(*testing.T, *visit), script string) killing {
		return killing{name: name + ", killed", file: file, end: end, start: func(v *visit) *exec.Cmd {
			return v.own(script + "; wait 1m")
		}}
	}
	empty := own("puts an empty file first", "letter.docx", leftThere("empty"), "create; close")
	empty.at = -1
	return []killing{
		own("a scanner that stalls", "scan.pdf", truncated, "create; write 50"),
		own("allocates, then fills", "photo.jpg", truncated, "create; allocate; fill 0-50"),
		own("sets the size, then fills", "film.3gpp", truncated, "create; truncate 100; fill 0-50"),
		own("sets the size, then fills, mp3", "melody.mp3", truncated, "create; truncate 100; fill 0-50"),
		own("maps, then fills", "photo.jpg", truncated, "create; truncate 100; map; copy 0-50"),
		own("appends after a pause", "scan.pdf", truncated, "create; write 50; close"),
		empty,
	}
}
