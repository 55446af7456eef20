package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"kaizala-drop/internal/sandbox"
)

// visitors lists the writers that bring a whole file. Each must end well itself: those that set attributes after the
// close fail if the file has gone by then.
func visitors() []visitor {
	return slices.Concat(ownVisitors(), makers(), localVisitors(), remoteVisitors(), downloadVisitors()) // those first that take longest
}

// program is a visitor that is one program, run with these arguments: SOURCE and TARGET stand for the files.
func program(file string, args ...string) visitor {
	return visitor{name: strings.Join(slices.DeleteFunc(slices.Clone(args), func(arg string) bool {
		return arg == "SOURCE" || arg == "TARGET"
	}), " "), file: file, needs: args[:1], bring: func(v *visit) error {
		return v.finish(v.command(args...))
	}}
}

// command is a program with SOURCE and TARGET filled in.
func (v *visit) command(args ...string) *exec.Cmd {
	fill := strings.NewReplacer("SOURCE", v.source, "TARGET", v.path)
	var filled []string
	for _, arg := range args[1:] {
		filled = append(filled, fill.Replace(arg))
	}
	return exec.CommandContext(v, args[0], filled...)
}

func localVisitors() []visitor {
	across := program("scan.pdf", "mv", "SOURCE", "TARGET")
	across.name, across.abroad = "mv across file systems", true
	return []visitor{
		program("scan.pdf", "cp", "SOURCE", "TARGET"),
		program("photo.jpg", "cp", "-p", "SOURCE", "TARGET"),
		program("letter.docx", "install", "SOURCE", "TARGET"),
		program("melody.mp3", "mv", "SOURCE", "TARGET"),
		across,
		{name: "dd with pauses", file: "sound.wav", needs: []string{"dd"}, bring: func(v *visit) error {
			return v.finish(v.slowly("dd of=TARGET bs=64k iflag=fullblock status=none"))
		}},
		program("scan.pdf", "rsync", "SOURCE", "TARGET"),
		program("scan.pdf", "rsync", "--inplace", "SOURCE", "TARGET"),
		program("scan.pdf", "rsync", "--partial", "SOURCE", "TARGET"),
		program("scan.pdf", "rsync", "-a", "SOURCE", "TARGET"),
		program("scan.pdf", "rsync", "-a", "--inplace", "SOURCE", "TARGET"),
	}
}

// slowly is a command of the shell that reads the source with a pause of 3 s in its middle.
func (v *visit) slowly(command string) *exec.Cmd {
	half := len(v.content) / 2
	return v.command("sh", "-c", fmt.Sprintf("{ head -c %d SOURCE; sleep 3; tail -c +%d SOURCE; } | %s", half, half+1, command))
}

func remoteVisitors() []visitor {
	upload := func(file, server string, port func(v *visit) string) visitor {
		return visitor{name: "curl -T to " + server, file: file, needs: []string{"curl", server}, bring: func(v *visit) error {
			return v.run("curl", "-sS", "-T", v.source, v.ftp(port(v)))
		}}
	}
	return []visitor{
		upload("scan.pdf", "vsftpd", (*visit).vsftpd),
		upload("film.3gpp", "proftpd", (*visit).proftpd),
		resuming("curl -C -, resuming", "curl", func(v *visit, options string) *exec.Cmd {
			return v.command("sh", "-c", "exec curl -sS "+options+" -T SOURCE "+v.ftp(v.vsftpd()))
		}, "--limit-rate 300K", "-C -"),
		resuming("lftp put -c, resuming", "lftp", func(v *visit, options string) *exec.Cmd {
			return v.lftp(v.vsftpd(), options)
		}, "set net:limit-rate 300000; put", "put -c"),
		{name: "lftp put to vsftpd", file: "photo.jpg", needs: []string{"lftp", "vsftpd"}, bring: func(v *visit) error {
			return v.finish(v.lftp(v.vsftpd(), "put"))
		}},
		{name: "lftp put to proftpd", file: "photo.jpg", needs: []string{"lftp", "proftpd"}, bring: func(v *visit) error {
			return v.finish(v.lftp(v.proftpd(), "put"))
		}},
		{name: "smbclient put", file: "letter.docx", needs: []string{"smbclient", "smbd"}, bring: func(v *visit) error {
			return v.finish(v.smbclient(v.source))
		}},
		{name: "Explorer to smbd", file: "film.3gpp", needs: []string{"smbd"}, bring: func(v *visit) error {
			return v.finish(v.own("share " + v.z.servers.smbd + "; truncate 100; fill 0-40; wait 3s; fill 40-100; close"))
		}},
		{name: "sftp put", file: "scan.pdf", needs: []string{"sftp", "sshd"}, bring: func(v *visit) error {
			return v.finish(v.sftp("put"))
		}},
		{name: "sftp put -p", file: "scan.pdf", needs: []string{"sftp", "sshd"}, bring: func(v *visit) error {
			return v.finish(v.sftp("put -p"))
		}},
		{name: "scp", file: "film.3gpp", needs: []string{"scp", "sshd"}, bring: func(v *visit) error {
			return v.finish(v.scp())
		}},
		{name: "scp -p", file: "scan.pdf", needs: []string{"scp", "sshd"}, bring: func(v *visit) error {
			return v.finish(v.scp("-p"))
		}},
		{name: "scp -O", file: "scan.pdf", needs: []string{"scp", "sshd"}, bring: func(v *visit) error {
			return v.finish(v.scp("-O"))
		}},
		{name: "scp -O -p", file: "photo.jpg", needs: []string{"scp", "sshd"}, bring: func(v *visit) error {
			return v.finish(v.scp("-O", "-p"))
		}},
		{name: "rsync -a over ssh", file: "scan.pdf", needs: []string{"rsync", "sshd"}, bring: func(v *visit) error {
			return v.finish(v.rsyncOverSSH("-a"))
		}},
		{name: "rsync -a --inplace over ssh", file: "scan.pdf", needs: []string{"rsync", "sshd"}, bring: func(v *visit) error {
			return v.finish(v.rsyncOverSSH("-a", "--inplace"))
		}},
	}
}

func downloadVisitors() []visitor {
	return []visitor{
		{name: "aria2c, downloading", file: "scan.pdf", needs: []string{"aria2c"}, bring: func(v *visit) error {
			return v.finish(v.aria2())
		}},
		{name: "lftp pget from vsftpd", file: "photo.jpg", needs: []string{"lftp", "vsftpd"}, bring: func(v *visit) error {
			return v.finish(v.pget(""))
		}},
		{name: "curl -R, downloading", file: "scan.pdf", needs: []string{"curl"}, bring: func(v *visit) error {
			return v.finish(v.download(""))
		}},
	}
}

// resuming is a client that is killed half way and started again when the user has noticed, because the daemon says that it holds the
// first half back.
func resuming(name, program string, client func(v *visit, options string) *exec.Cmd, slowly, again string) visitor {
	return visitor{name: name, file: "scan.pdf", needs: []string{program, "vsftpd"}, bring: func(v *visit) error {
		if err := v.killHalfWay(client(v, slowly), killing{}); err != nil {
			return err
		}
		for tick := time.Tick(100 * time.Millisecond); len(v.logged("left where it is")) == 0; {
			select {
			case <-tick:
			case <-v.Done():
				return errors.New("the first half was not seen alone")
			}
		}
		return v.finish(client(v, again))
	}}
}

func (v *visit) vsftpd() string  { return v.z.servers.vsftpd }
func (v *visit) proftpd() string { return v.z.servers.proftpd }

// lftp gives up at the first error. put may have settings before it.
func (v *visit) lftp(port, put string) *exec.Cmd {
	return exec.CommandContext(v, "lftp", "-c", fmt.Sprintf("set net:max-retries 1; set net:timeout 5; open ftp://127.0.0.1:%s; %s %s -o %s/%s",
		port, put, v.source, v.name, filepath.Base(v.path)))
}

// smbclient sends a file, or what comes to its standard input if that is "-".
func (v *visit) smbclient(source string) *exec.Cmd {
	s := v.z.servers
	return exec.CommandContext(v, "smbclient", "-N", "-s", s.dir+"/smb.conf", "-p", s.smbd, "//127.0.0.1/zoo",
		"-c", fmt.Sprintf("put %s %s/%s", source, v.name, filepath.Base(v.path)))
}

func (v *visit) sftp(put string, options ...string) *exec.Cmd {
	cmd := exec.CommandContext(v, "sftp", v.ssh(append(options, "-b", "-", "root@127.0.0.1")...)...)
	cmd.Stdin = strings.NewReader(fmt.Sprintf("%s %s %s\n", put, v.source, v.path))
	return cmd
}

func (v *visit) scp(options ...string) *exec.Cmd {
	return exec.CommandContext(v, "scp", v.ssh(append(options, v.source, "root@127.0.0.1:"+v.path)...)...)
}

func (v *visit) rsyncOverSSH(options ...string) *exec.Cmd {
	return exec.CommandContext(v, "rsync", append(options, "-e", "ssh "+strings.Join(v.ssh(), " "), v.source, "root@127.0.0.1:"+v.path)...)
}

func (v *visit) download(query string) *exec.Cmd {
	return exec.CommandContext(v, "curl", "-sS", "-R", "-o", v.path, v.url()+query)
}

// url is where the source can be downloaded.
func (v *visit) url() string {
	return v.z.servers.downloads + "/cages/" + v.name + "/" + filepath.Base(v.source)
}

// aria2 reserves the blocks of the whole file and fetches it in four places at once.
func (v *visit) aria2(options ...string) *exec.Cmd {
	return exec.CommandContext(v, "aria2c", slices.Concat([]string{"--no-conf", "--quiet", "--file-allocation=falloc",
		"--no-file-allocation-limit=0", "--max-connection-per-server=4", "--split=4", "--min-split-size=1M",
		"--dir", v.dir, "--out", filepath.Base(v.path)}, options, []string{v.url()})...)
}

// pget fetches the source in four places at once. settings end with a semicolon.
func (v *visit) pget(settings string) *exec.Cmd {
	return exec.CommandContext(v, "lftp", "-c", fmt.Sprintf("set net:max-retries 1; set net:timeout 5; %s open ftp://127.0.0.1:%s; "+
		"pget -n 4 -O %s cages/%s/%s", settings, v.vsftpd(), v.dir, v.name, filepath.Base(v.source)))
}

// makers are the programs that make a file of their own.
func makers() []visitor {
	return []visitor{
		{name: "ffmpeg, mp4", file: "film.mp4", needs: []string{"ffmpeg"}, bring: func(v *visit) error {
			return v.ffmpeg("testsrc=size=320x240:rate=25:duration=3", "-c:v", "mpeg4", "-threads", "1")
		}},
		{name: "ffmpeg, wav", file: "sound.wav", needs: []string{"ffmpeg"}, bring: func(v *visit) error {
			return v.ffmpeg("sine=frequency=440:duration=3")
		}},
		{name: "LibreOffice", file: "letter.pdf", needs: []string{"soffice"}, bring: func(v *visit) error {
			source := v.cage + "/letter.docx"
			if err := os.WriteFile(source, sample(v.z.t, ".docx"), 0o644); err != nil {
				return err
			}
			v.content = nil // what it makes of it is not known before
			return v.finish(v.soffice(source))
		}, after: func(t *testing.T, v *visit, _ sandbox.Post) {
			if !strings.HasPrefix(string(v.content), "%PDF-") || !strings.HasSuffix(strings.TrimSpace(string(v.content)), "%%EOF") {
				t.Errorf("%d bytes are not a whole PDF", len(v.content))
			}
		}},
	}
}

// soffice makes a PDF of source. It may be run under other programs.
func (v *visit) soffice(source string, under ...string) *exec.Cmd {
	args := append(under, "soffice", "-env:UserInstallation=file://"+v.cage+"/profile", "--headless", "--convert-to", "pdf",
		"--outdir", v.dir, source)
	return exec.CommandContext(v, args[0], args[1:]...)
}

// ffmpeg records as long as the input lasts. What it should write it is asked before, without the wait.
func (v *visit) ffmpeg(input string, options ...string) error {
	if err := v.finish(v.recorder(v.source, nil, input, options...)); err != nil {
		return err
	}
	var err error
	if v.content, err = os.ReadFile(v.source); err != nil {
		return err
	}
	return v.finish(v.recorder(v.path, inRealTime(), input, options...))
}

func inRealTime() []string { return []string{"-re"} }

func (v *visit) recorder(path string, pace []string, input string, options ...string) *exec.Cmd {
	return exec.CommandContext(v, "ffmpeg", slices.Concat([]string{"-v", "error", "-nostdin", "-y"}, pace,
		[]string{"-f", "lavfi", "-i", input, "-bitexact"}, options, []string{path})...)
}

// own is a writer of ours; see writer.do for the steps. What it brings must be posted after its last step.
func own(name, file, script string) visitor {
	steps := strings.Split(script, "; ")
	return visitor{name: name, file: file, bring: func(v *visit) error {
		return v.finish(v.own(script))
	}, after: func(t *testing.T, v *visit, p sandbox.Post) {
		wantAfter(t, v, steps[len(steps)-1], p)
	}}
}

// wantAfter wants the post to have come after a step of a writer of ours.
func wantAfter(t *testing.T, v *visit, step string, p sandbox.Post) {
	t.Helper()
	at, err := stepTime(v.output, step)
	must(t, err)
	took := p.At.Sub(at).Round(time.Millisecond)
	t.Logf("posted %v after %q", took, step)
	if took < 0 {
		t.Errorf("it was posted %v before %q", -took, step)
	}
}

// own is a writer of ours as a process.
func (v *visit) own(script string) *exec.Cmd {
	cmd := exec.CommandContext(v, os.Args[0])
	cmd.Args = []string{"zoo-writer", script, v.path, v.source}
	return cmd
}

func ownVisitors() []visitor {
	pages := own("a scanner that closes after each page", "pages.pdf", "create; write 25; close; wait 3s; append; write 50; close; "+
		"wait 3s; append; write 75; close; wait 3s; append; write 100; close")
	pages.settings = `settle = "20s"` // the file is a whole PDF in each pause, which a busy machine makes longer
	return []visitor{
		own("a scanner that stalls", "scan.pdf", "create; write 50; wait 30s; write 100; close"),
		pages,
		own("allocates, then fills", "photo.jpg", "create; allocate; fill 0-40; wait 3s; fill 40-100; close"),
		own("sets the size, then fills", "film.3gpp", "create; truncate 100; fill 0-40; wait 3s; fill 40-100; close"),
		own("sets the size, then fills, mp3", "melody.mp3", "create; truncate 100; fill 0-40; wait 3s; fill 40-100; close"),
		// In these two nothing but the open writer shows that something is missing.
		own("fills the middle last", "scan.pdf", "create; allocate; fill 0-10; fill 90-100; wait 3s; fill 10-90; close"),
		own("maps, closes, then fills", "scan.pdf", "create; allocate; map; close; copy 0-10; copy 90-100; wait 3s; copy 10-90; unmap"),
		own("maps, then fills", "photo.jpg", "create; truncate 100; map; copy 0-50; wait 3s; copy 50-100; unmap; close"),
		own("appends after a pause", "scan.pdf", "create; write 60; close; wait 3s; append; write 100; close"),
		own("puts an empty file first", "letter.docx", "create; close; wait 3s; open; write 100; close"),
		own("renames in place", "scan.pdf", "create scan.pdf.part; write 50; wait 2s; write 100; close; rename scan.pdf"),
		own("LibreOffice's lock", "letter.docx", "put .~lock.letter.docx#; create; write 100; close; wait 3s; remove .~lock.letter.docx#"),
		own("Excel's owner file", "stock.xlsx", "put ~$stock.xlsx; create; write 100; close; wait 3s; remove ~$stock.xlsx"),
		own("Word's owner file", "quarterly.docx", "put ~$arterly.docx; create; write 100; close; wait 3s; remove ~$arterly.docx"),
	}
}
