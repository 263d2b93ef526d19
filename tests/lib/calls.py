# SPDX-License-Identifier: BSD-3-Clause
"""calls.py: system calls as the Python in the end-to-end scripts makes them.

    from calls import as_user, fallocate, is_, mode, refused, renameat2

functions.sh puts it on PYTHONPATH. Import it before becoming somebody else,
who may not be allowed to read the source tree.
"""
import ctypes
import errno
import os
import traceback

_libc = ctypes.CDLL(None, use_errno=True)


def refused(number, call, *args, **named):
    """The call fails with just this errno, or with one of a tuple of them."""
    numbers = number if isinstance(number, tuple) else (number,)
    what = f"{call.__name__}{args}"[:200]       # there are large values
    try:
        call(*args, **named)
    except OSError as e:
        expected = " or ".join(errno.errorcode[n] for n in numbers)
        assert e.errno in numbers, f"{what}: {e}, expected {expected}"
        return
    raise AssertionError(f"{what} succeeded")


def as_user(uid, gid, groups, what):
    """what() in a child process that is this user; it comes through."""
    pid = os.fork()
    if pid == 0:
        try:
            os.setgroups(groups)
            os.setgid(gid)
            os.setuid(uid)
            what()
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    assert os.waitpid(pid, 0)[1] == 0, what.__name__


def is_(got, expected):
    assert got == expected, f"got {got!r}, expected {expected!r}"


def mode(path):
    """The permissions; of a symlink, its own."""
    return os.lstat(path).st_mode & 0o7777


def fallocate(fd, mode, offset, length):
    if _libc.fallocate(fd, mode, ctypes.c_long(offset), ctypes.c_long(length)):
        raise OSError(ctypes.get_errno(), f"fallocate {mode:#x} {offset} {length}")


def renameat2(old, new, flags):
    if _libc.renameat2(-100, old.encode(), -100, new.encode(), flags):
        raise OSError(ctypes.get_errno(), f"renameat2 {flags:#x}")
