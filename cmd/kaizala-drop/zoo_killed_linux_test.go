package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
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
// They are here where something else shows it: they have holes, or something lies beside them. One is here to hold what
// is known to be posted.
type killing struct {
	name, file string
	needs      []string
	start      func(v *visit) *exec.Cmd // slow enough, about 300 kB/s, to be caught half way
	end        func(t *testing.T, v *visit)

	abroad bool   // its source is on another file system
	server bool   // kill the process that writes the file, instead of its client
	itself bool   // it is killed by how it is started
	passes bool   // what it leaves is posted all the same
	at     int64  // kill it when so many bytes were written; 0: a third; -1: when there is a file at all
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
		_, err := os.Lstat(filepath.Join(v.dir, name)) // its note was there before
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

// unnoticed means that only names which are never candidates were written: hidden ones, and those that match also. That
// is seen when another file, dropped after them, has been.
func unnoticed(also ...string) func(t *testing.T, v *visit) {
	return func(t *testing.T, v *visit) {
		t.Helper()
		const witness = "witness.txt"
		must(t, os.WriteFile(filepath.Join(v.dir, witness), []byte("not supported"), 0o644))
		eventually(t, func() error {
			_, err := os.Lstat(filepath.Join(v.dir, "failed", witness)) // its note was there before
			return err
		})
		v.holds(t, append(also, "failed/"+witness, "failed/"+witness+".reason.txt")...)
		for _, line := range v.logged(`"file":`) {
			if !strings.Contains(line, witness) {
				t.Errorf("the log speaks of a file: %s", line)
			}
		}
	}
}

// renamedOrRemoved is what ProFTPD does with its hidden file when the client dies: it hears first of the end of the data, or
// of that of the client.
func renamedOrRemoved(t *testing.T, v *visit) {
	t.Helper()
	name := filepath.Base(v.path)
	eventually(t, func() error {
		hidden, err := filepath.Glob(filepath.Join(v.dir, ".in."+name+".*"))
		if len(hidden) > 0 {
			return fmt.Errorf("%s is there", hidden)
		}
		return err
	})
	for _, path := range []string{v.path, filepath.Join(v.dir, "failed", name)} {
		if _, err := os.Lstat(path); err == nil {
			truncated(t, v)
			return
		}
	}
	unnoticed()(t, v)
}

// leftThere waits until the log has told the reason, and sees the file where it was, with those that match also.
func leftThere(reason string, also ...string) func(t *testing.T, v *visit) {
	return func(t *testing.T, v *visit) {
		t.Helper()
		eventually(t, func() error {
			if len(v.logged(reason)) == 0 {
				return fmt.Errorf("the log does not say %q", reason)
			}
			return nil
		})
		v.holds(t, append(also, filepath.Base(v.path))...)
	}
}

// holds wants a file for each glob in the folder, and no other but hidden ones.
func (v *visit) holds(t *testing.T, globs ...string) {
	t.Helper()
	names := slices.DeleteFunc(keysOf(files(t, v.dir), ""), func(name string) bool { return strings.HasPrefix(name, ".") })
	matches := func(glob string) bool {
		return slices.ContainsFunc(names, func(name string) bool { ok, _ := path.Match(glob, name); return ok })
	}
	for _, glob := range globs {
		if !matches(glob) {
			t.Errorf("there is no %s", glob)
		}
	}
	if len(names) != len(globs) {
		t.Errorf("in the folder: %q, want %q", names, globs)
	}
}

// ofUnknownLength waits until what there was of a WAV is filed: its lengths are 0xFFFFFFFF until it is closed, and nothing
// tells it from one that was written to a pipe.
func ofUnknownLength(t *testing.T, v *visit) {
	t.Helper()
	v.content = nil // only its writer knows
	v.delivered(t)
	if size := v.content[4:8]; string(size) != "\xff\xff\xff\xff" {
		t.Errorf("its length is % x: it was closed", size)
	}
}

func killings() []killing {
	return slices.Concat(localKillings(), makerKillings(), downloadKillings(), ftpKillings(), smbKillings(), sshKillings(), ownKillings())
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
		rsync("rsync -a, killed", unnoticed(), ".scan.pdf.*", "-a"),
		rsync("rsync --inplace, killed", truncated, "", "--inplace"),
	}
}

// makerKillings are the programs that make a file of their own.
func makerKillings() []killing {
	return []killing{
		{name: "ffmpeg, mp4, killed", file: "film.mp4", needs: []string{"ffmpeg"}, at: 1, end: truncated, start: func(v *visit) *exec.Cmd {
			return v.recorder(v.path, inRealTime(), "testsrc=size=320x240:rate=25:duration=30", "-c:v", "mpeg4", "-threads", "1")
		}},
		{name: "ffmpeg, wav, killed", file: "sound.wav", needs: []string{"ffmpeg"}, at: 1, passes: true, end: ofUnknownLength,
			start: func(v *visit) *exec.Cmd {
				return v.recorder(v.path, inRealTime(), "sine=frequency=440:duration=30")
			}},
		// It makes its file under another name, then copies it. It is killed while it writes the second 32 KiB of the copy.
		{name: "LibreOffice, killed", file: "letter.pdf", needs: []string{"soffice", "strace"}, itself: true,
			end: leftThere("its lock file", "lu*.tmp"), start: func(v *visit) *exec.Cmd {
				text := v.cage + "/letter.txt"
				convert := v.soffice(text, "strace", "-f", "-o", v.cage+"/strace", "-P", v.path, "-e", "trace=pwrite64",
					"-e", "inject=pwrite64:signal=KILL:when=2")
				return v.command("sh", "-c", "head -c 150000 SOURCE | base64 >"+text+" && exec "+shellQuoted(convert.Args))
			}},
	}
}

func downloadKillings() []killing {
	aria := func(name string, end func(*testing.T, *visit), options ...string) killing {
		return killing{name: name, file: "melody.mp3", needs: []string{"aria2c"}, end: end, start: func(v *visit) *exec.Cmd {
			return v.aria2(append(options, "--disk-cache=0", "--max-download-limit=300K")...)
		}}
	}
	return []killing{
		{name: "curl, downloading, killed", file: "photo.jpg", needs: []string{"curl"}, end: truncated, start: func(v *visit) *exec.Cmd {
			return v.download("?half")
		}},
		aria("aria2c, killed", leftThere("still fetching", "*.aria2")),
		// Its control file, which would hold the file back, it writes only when it ends: nothing but holes is left.
		aria("aria2c without its control file, killed", truncated, "--auto-save-interval=0"),
		{name: "lftp pget, killed", file: "melody.mp3", needs: []string{"lftp", "vsftpd"},
			end: leftThere("still fetching", "*.lftp-pget-status"), start: func(v *visit) *exec.Cmd {
				return v.pget("set net:limit-rate 75000; set pget:save-status 1s;")
			}},
	}
}

// both are a killing of the client and one of the process of the server, each with its end.
func both(k killing, client, server func(*testing.T, *visit)) []killing {
	other := k
	k.name, k.end = k.name+", client killed", client
	other.name, other.end, other.server = other.name+", server killed", server, true
	return []killing{k, other}
}

func ftpKillings() []killing {
	curl := func(server, grows string, port func(*visit) string) killing {
		return killing{name: "curl to " + server, file: "scan.pdf", needs: []string{"curl", server}, grows: grows, start: func(v *visit) *exec.Cmd {
			return exec.CommandContext(v, "curl", "-sS", "--limit-rate", "300K", "-T", v.source, v.ftp(port(v)))
		}}
	}
	lftp := func(server, grows string, port func(*visit) string, end func(*testing.T, *visit)) killing {
		return killing{name: "lftp to " + server + ", client killed", file: "photo.jpg", needs: []string{"lftp", server}, grows: grows, end: end,
			start: func(v *visit) *exec.Cmd { // when its server is killed, it may come back and go on
				return v.lftp(port(v), "set net:limit-rate 300000; put")
			}}
	}
	return slices.Concat(
		both(curl("vsftpd", "", (*visit).vsftpd), truncated, truncated),
		// It renames what has come when the client dies, if it hears of that in time, not when it does itself.
		both(curl("proftpd", ".in.scan.pdf.", (*visit).proftpd), renamedOrRemoved, unnoticed()),
		[]killing{
			lftp("vsftpd", "", (*visit).vsftpd, truncated),
			lftp("proftpd", ".in.photo.jpg.", (*visit).proftpd, renamedOrRemoved),
		})
}

func smbKillings() []killing {
	explorer := func(name, file string) killing {
		return killing{name: name, file: file, needs: []string{"smbd"}, start: func(v *visit) *exec.Cmd {
			return v.own("share " + v.z.servers.smbd + "; truncate 100; fill 0-50; wait 20s; fill 50-100; close")
		}}
	}
	smbclient := killing{name: "smbclient", file: "letter.docx", needs: []string{"smbclient", "smbd"}, at: 60 << 10,
		start: func(v *visit) *exec.Cmd { // it sends 64 KiB, and the rest when all of it can be read
			return v.slowly(shellQuoted(v.smbclient("-").Args))
		}}
	return slices.Concat(
		both(smbclient, truncated, truncated),
		both(explorer("Explorer to smbd", "photo.jpg"), truncated, truncated),
		both(explorer("Explorer to smbd, mp3", "melody.mp3"), truncated, truncated))
}

func sshKillings() []killing {
	over := func(name, file string, start func(v *visit) *exec.Cmd) killing {
		return killing{name: name, file: file, needs: []string{strings.Fields(name)[0], "sshd"}, start: start}
	}
	rsync := func(options, grows string) killing {
		k := over("rsync "+options+" over ssh", "scan.pdf", func(v *visit) *exec.Cmd { return v.rsyncOverSSH(options, "--bwlimit=300") })
		k.grows = grows
		return k
	}
	const hidden = ".scan.pdf.*"
	return slices.Concat(
		both(over("sftp", "scan.pdf", func(v *visit) *exec.Cmd { return v.sftp("put", "-l", "2400") }), truncated, truncated),
		both(over("scp", "film.3gpp", func(v *visit) *exec.Cmd { return v.scp("-l", "2400") }), truncated, truncated),
		both(over("scp -O -p", "scan.pdf", func(v *visit) *exec.Cmd { return v.scp("-O", "-p", "-l", "2400") }), truncated, truncated),
		both(rsync("-a", hidden), unnoticed(), unnoticed()),
		both(rsync("--partial", hidden), truncated, unnoticed()), // as proftpd
		both(rsync("--inplace", ""), truncated, truncated))
}

func shellQuoted(args []string) string {
	var quoted []string
	for _, arg := range args {
		quoted = append(quoted, "'"+strings.ReplaceAll(arg, "'", `'\''`)+"'")
	}
	return strings.Join(quoted, " ")
}

func ownKillings() []killing {
	// own is killed when it has done all steps, and before it can close what it has not closed.
	own := func(name, file string, end func(*testing.T, *visit), script string) killing {
		return killing{name: name + ", killed", file: file, grows: ".done", at: -1, end: end, start: func(v *visit) *exec.Cmd {
			return v.own(script + "; put .done; wait 5m")
		}}
	}
	return []killing{
		own("a scanner that stalls", "scan.pdf", truncated, "create; write 50"),
		own("a scanner that closes after each page", "pages.pdf", truncated, "create; write 30; close; wait 500ms; append; write 60; close"),
		own("allocates, then fills", "photo.jpg", truncated, "create; allocate; fill 0-50"),
		own("allocates, then fills, mp3", "melody.mp3", truncated, "create; allocate; fill 0-50"),
		own("sets the size, then fills", "film.3gpp", truncated, "create; truncate 100; fill 0-50"),
		own("sets the size, then fills, mp3", "melody.mp3", truncated, "create; truncate 100; fill 0-50"),
		own("fills the middle last", "scan.pdf", truncated, "create; allocate; fill 0-10; fill 90-100"),
		own("maps, closes, then fills", "scan.pdf", truncated, "create; allocate; map; close; copy 0-10; copy 90-100"),
		own("maps, then fills", "photo.jpg", truncated, "create; truncate 100; map; copy 0-50"),
		own("appends after a pause", "scan.pdf", truncated, "create; write 50; close"),
		own("puts an empty file first", "letter.docx", leftThere("empty"), "create; close"),
		own("renames in place", "scan.pdf", unnoticed("scan.pdf.part"), "create scan.pdf.part; write 50"),
		own("LibreOffice's lock", "letter.docx", leftThere("its lock file"), "put .~lock.letter.docx#; create; write 100; close"),
		own("Excel's owner file", "stock.xlsx", leftThere("its lock file", "~$stock.xlsx"), "put ~$stock.xlsx; create; write 100; close"),
		own("axel", "melody.mp3", leftThere("still fetching", "melody.mp3.st"), "put melody.mp3.st; create; allocate; fill 0-50"),
	}
}
