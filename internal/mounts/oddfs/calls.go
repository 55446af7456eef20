//go:build linux

package main

import (
	"syscall"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

type cancel = <-chan struct{}

func (o *oddFS) Lookup(c cancel, in *fuse.InHeader, name string, out *fuse.EntryOut) fuse.Status {
	s := o.before("lookup", name)
	if s.Ok() {
		s = o.RawFileSystem.Lookup(c, in, name, out)
	}
	if s.Ok() {
		o.show(in.NodeId, name, out)
	}
	return s
}

func (o *oddFS) Create(c cancel, in *fuse.CreateIn, name string, out *fuse.CreateOut) fuse.Status {
	s := o.before("create", name)
	if s.Ok() {
		s = o.RawFileSystem.Create(c, in, name, out)
	}
	if s.Ok() {
		o.show(in.NodeId, name, &out.EntryOut)
	}
	return s
}

func (o *oddFS) Mknod(c cancel, in *fuse.MknodIn, name string, out *fuse.EntryOut) fuse.Status {
	s := o.before("create", name)
	if s.Ok() {
		s = o.RawFileSystem.Mknod(c, in, name, out)
	}
	if s.Ok() {
		o.show(in.NodeId, name, out)
	}
	return s
}

func (o *oddFS) Mkdir(c cancel, in *fuse.MkdirIn, name string, out *fuse.EntryOut) fuse.Status {
	s := o.before("mkdir", name)
	if s.Ok() {
		s = o.RawFileSystem.Mkdir(c, in, name, out)
	}
	if s.Ok() {
		o.show(in.NodeId, name, out)
	}
	return s
}

func (o *oddFS) Symlink(c cancel, in *fuse.InHeader, to, name string, out *fuse.EntryOut) fuse.Status {
	if s := o.before("symlink", name); !s.Ok() {
		return s
	}
	if !o.symlinks {
		return fuse.ENOSYS
	}
	return o.RawFileSystem.Symlink(c, in, to, name, out)
}

func (o *oddFS) Rename(c cancel, in *fuse.RenameIn, from, to string) fuse.Status {
	s := o.before("rename", from, to)
	if s.Ok() && in.Flags&unix.RENAME_NOREPLACE != 0 && !o.noReplace {
		s = fuse.Status(syscall.EINVAL)
	}
	if s.Ok() {
		s = o.RawFileSystem.Rename(c, in, from, to)
	}
	return s
}

func (o *oddFS) Link(c cancel, in *fuse.LinkIn, name string, out *fuse.EntryOut) fuse.Status {
	s := o.before("link", name)
	if s.Ok() && !o.links {
		s = fuse.Status(syscall.EPERM)
	}
	if s.Ok() {
		s = o.RawFileSystem.Link(c, in, name, out)
	}
	if s.Ok() {
		o.show(in.NodeId, name, out)
	}
	return s
}

func (o *oddFS) Unlink(c cancel, in *fuse.InHeader, name string) fuse.Status {
	if s := o.before("unlink", name); !s.Ok() {
		return s
	}
	return o.RawFileSystem.Unlink(c, in, name)
}

func (o *oddFS) Rmdir(c cancel, in *fuse.InHeader, name string) fuse.Status {
	if s := o.before("rmdir", name); !s.Ok() {
		return s
	}
	return o.RawFileSystem.Rmdir(c, in, name)
}

func (o *oddFS) GetAttr(c cancel, in *fuse.GetAttrIn, out *fuse.AttrOut) fuse.Status {
	s := o.fail("getattr")
	if s.Ok() {
		s = o.RawFileSystem.GetAttr(c, in, out)
	}
	if s.Ok() {
		o.attr(in.NodeId, &out.Attr)
	}
	return s
}

// Statx sends the kernel to GetAttr.
func (o *oddFS) Statx(cancel, *fuse.StatxIn, *fuse.StatxOut) fuse.Status { return fuse.ENOSYS }

func (o *oddFS) SetAttr(c cancel, in *fuse.SetAttrIn, out *fuse.AttrOut) fuse.Status {
	s := o.fail("setattr")
	if s.Ok() {
		s = o.RawFileSystem.SetAttr(c, in, out)
	}
	if s.Ok() {
		o.attr(in.NodeId, &out.Attr)
	}
	return s
}

func (o *oddFS) Open(c cancel, in *fuse.OpenIn, out *fuse.OpenOut) fuse.Status {
	if s := o.fail("open"); !s.Ok() {
		return s
	}
	return o.RawFileSystem.Open(c, in, out)
}

func (o *oddFS) OpenDir(c cancel, in *fuse.OpenIn, out *fuse.OpenOut) fuse.Status {
	if s := o.fail("opendir"); !s.Ok() {
		return s
	}
	return o.RawFileSystem.OpenDir(c, in, out)
}

func (o *oddFS) Read(c cancel, in *fuse.ReadIn, buf []byte) (fuse.ReadResult, fuse.Status) {
	if s := o.fail("read"); !s.Ok() {
		return nil, s
	}
	return o.RawFileSystem.Read(c, in, buf)
}

func (o *oddFS) Write(c cancel, in *fuse.WriteIn, data []byte) (uint32, fuse.Status) {
	if s := o.fail("write"); !s.Ok() {
		return 0, s
	}
	return o.RawFileSystem.Write(c, in, data)
}

// Writev sends each write to Write.
func (o *oddFS) Writev(cancel, *fuse.WriteIn, [][]byte) (uint32, fuse.Status) { return 0, fuse.ENOSYS }

// CopyFileRange sends the kernel to reads and writes.
func (o *oddFS) CopyFileRange(cancel, *fuse.CopyFileRangeIn) (uint32, fuse.Status) {
	return 0, fuse.ENOSYS
}

func (o *oddFS) Flush(c cancel, in *fuse.FlushIn) fuse.Status {
	if s := o.fail("flush"); !s.Ok() {
		return s
	}
	return o.RawFileSystem.Flush(c, in)
}

func (o *oddFS) Fsync(c cancel, in *fuse.FsyncIn) fuse.Status {
	if s := o.fail("fsync"); !s.Ok() {
		return s
	}
	return o.RawFileSystem.Fsync(c, in)
}

func (o *oddFS) FsyncDir(c cancel, in *fuse.FsyncIn) fuse.Status {
	if s := o.fail("fsyncdir"); !s.Ok() {
		return s
	}
	return o.RawFileSystem.FsyncDir(c, in)
}

func (o *oddFS) StatFs(c cancel, in *fuse.InHeader, out *fuse.StatfsOut) fuse.Status {
	s := o.fail("statfs")
	if s.Ok() {
		s = o.RawFileSystem.StatFs(c, in, out)
	}
	if out.NameLen = uint32(o.max); o.says > 0 {
		out.NameLen = uint32(o.says)
	}
	return s
}
