"""The image directory: writing a set of images, and reading one that is not trusted.

A set is complete when inventory.img is there: it is removed before anything is written and written
after everything else. Files are made anew, never truncated (dropping a gigabyte of old pages takes
183 ms) and never followed through symbolic links; their names come from the registry and a number,
so none leads out of the directory.
"""

from __future__ import annotations

import os
import stat
from errno import EACCES, EEXIST, ELOOP, ENOENT, ENOTDIR, EPERM

from crtools.errors import CrtoolsError, ImageError, PermissionDenied, UsageError
from crtools.images.framing import (
    damaged,
    encode_file,
    parse_file,
    read_extent,
    read_header,
    read_message,
)
from crtools.images.registry import BY_KEY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, Self

    from crtools.images.framing import Entry
    from crtools.images.wire import Message

# No file of messages comes near; a bound keeps a hostile sparse file from eating all memory.
MAX_FILE = 1 << 30


def _failed(what: str, error: OSError, name: str) -> CrtoolsError:
    cls = PermissionDenied if error.errno in (EACCES, EPERM) else ImageError
    return cls(what, because=os.strerror(error.errno or 0), subject=("image", name))


class ImageStore:
    """A directory of images. Make it with `create` or `open`; `close` it or use `with`.

    `fd` is the directory's descriptor, owned by the store; `path` is for messages only.
    """

    def __init__(self, fd: int, path: str) -> None:
        self.fd = fd
        self.path = path
        self._prepared: dict[str, int] = {}
        self._deferred: list[tuple[str, Sequence[Entry], int | None]] | None = None

    @classmethod
    def create(cls, path: str) -> Self:
        """The directory `path` to write to, made with mode 0700 if missing.

        An inventory.img of an earlier dump is removed, so that the set counts as incomplete from
        now on, and so is what it says of dumps before and after it, and its checksums. Raises
        ImageError, PermissionDenied.
        """
        try:
            os.mkdir(path, 0o700)
        except OSError as error:
            if error.errno != EEXIST:
                raise _failed(f"Cannot make the directory {path}", error, path) from None
        store = cls(_open_directory(path), path)
        try:
            store.begin_set()
        except BaseException:
            store.close()
            raise
        return store

    @classmethod
    def open(cls, path: str, *, allow_incomplete: bool = False) -> Self:
        """The directory `path` to read from. Raises ImageError, also if the set is incomplete.

        `allow_incomplete` is for looking into what a failed dump left.
        """
        store = cls(_open_directory(path), path)
        try:
            if not allow_incomplete:
                store.require_complete()
        except BaseException:
            store.close()
            raise
        return store

    def has_parent(self) -> bool:
        """Whether this dump builds upon an earlier one, or means to."""
        return os.access("parent", os.F_OK, dir_fd=self.fd, follow_symlinks=False)

    def link_parent(self, path: str) -> None:
        """Says that this dump builds upon the one in `path`, relative to this directory. Raises
        UsageError if there is none or it is this one, ImageError."""
        try:
            fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=self.fd)
        except OSError as error:
            raise UsageError(
                f"There is no earlier dump in {path}, seen from {self.path}",
                because=os.strerror(error.errno or 0),
                hint="--prev-images-dir is relative to the images directory",
                subject=("directory", path),
            ) from None
        try:
            same = os.path.samestat(os.fstat(fd), os.fstat(self.fd))
        finally:
            os.close(fd)
        if same:
            raise UsageError(
                "A dump cannot build upon itself",
                because=f"--prev-images-dir {path} is the images directory",
            )
        try:
            os.symlink(path, "parent", dir_fd=self.fd)
        except OSError as error:
            raise _failed(f"Cannot make the link {self.path}/parent", error, "parent") from None

    def unlink_parent(self) -> None:
        """Takes the link to an earlier dump away, if there is one."""
        try:
            os.unlink("parent", dir_fd=self.fd)
        except OSError as error:
            if error.errno != ENOENT:
                raise _failed(f"Cannot remove {self.path}/parent", error, "parent") from None

    def open_parent(self) -> Self:
        """The directory of the dump that this one builds upon. Raises ImageError if there is none.

        It need not be complete: what is taken from it are pages, and where they are.
        """
        path = f"{self.path}/parent"
        return type(self)(_open_directory("parent", path, self.fd), path)

    @classmethod
    def from_fd(cls, fd: int, *, for_writing: bool) -> Self:
        """As `create` or `open`, of a directory that is open already. `fd` stays the caller's."""
        path = f"descriptor {fd}"
        store = cls(_open_directory(".", path, fd), path)
        try:
            if for_writing:
                store.begin_set()
            else:
                store.require_complete()
        except BaseException:
            store.close()
            raise
        return store

    def begin_set(self) -> None:
        """From now on the set is incomplete, and builds upon no other."""
        self.remove("inventory")
        self.remove("crtools-tracking")
        self.unlink_parent()
        self.remove("crtools-checksums")

    def close(self) -> None:
        """Close the directory. Nothing is left to be flushed; closing twice does nothing."""
        for name, fd in self._prepared.items():
            os.close(fd)
            os.unlink(name, dir_fd=self.fd)
        self._prepared.clear()
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def require_complete(self) -> None:
        """Raise ImageError unless inventory.img is there and whole."""
        if not self.has("inventory"):
            raise ImageError(
                f"The images in {self.path} are incomplete",
                because="there is no inventory.img, which a dump writes last: it did not finish",
                hint="dump again, or name the right directory",
                subject=("directory", self.path),
            )
        # A dump that was killed while it made that file has left it empty.
        self.read_one("inventory")

    def has(self, key: str, id: int | None = None) -> bool:
        """Whether the image is there, as a regular file."""
        name = BY_KEY[key].file_name(id)
        try:
            mode = os.stat(name, dir_fd=self.fd, follow_symlinks=False).st_mode
        except OSError as error:
            if error.errno == ENOENT:
                return False
            raise _failed(f"Cannot look at {name}", error, name) from None
        return stat.S_ISREG(mode)

    def remove(self, key: str, id: int | None = None) -> None:
        """Remove the image if it is there."""
        name = BY_KEY[key].file_name(id)
        try:
            os.unlink(name, dir_fd=self.fd)
        except OSError as error:
            if error.errno != ENOENT:
                raise _failed(f"Cannot remove the old {name}", error, name) from None

    def names(self) -> list[str]:
        """The names of all files in the directory, sorted."""
        try:
            # Opened anew: btrfs tells only of files that were there when a directory was opened
            # (fs/btrfs/inode.c, btrfs_opendir).
            fd = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=self.fd)
            try:
                return sorted(os.listdir(fd))
            finally:
                os.close(fd)
        except OSError as error:
            raise _failed(f"Cannot list {self.path}", error, self.path) from None

    # Writing.

    def write(self, key: str, entries: Sequence[Entry], id: int | None = None) -> None:
        """Write an image: messages, each alone or with the raw bytes that follow it.

        Raises ImageError, also when the disk is full, and PermissionDenied.
        """
        if self._deferred is not None:
            self._deferred.append((key, entries, id))
        else:
            os.close(self.begin(key, entries, id))

    def defer(self) -> None:
        """From now on `write` only takes note; `write_deferred` does it all."""
        self._deferred = []

    def write_deferred(self) -> None:
        """Writes what was put off, if anything was; `write` writes at once again."""
        deferred, self._deferred = self._deferred or [], None
        for key, entries, id in deferred:
            self.write(key, entries, id)

    def begin(self, key: str, entries: Sequence[Entry], id: int | None = None) -> int:
        """As `write`, and leave the file open for what the caller appends (a ghost file's bytes).

        Returns the descriptor, positioned at the end; the caller closes it.
        """
        kind = BY_KEY[key]
        data = memoryview(encode_file(kind, entries))
        fd = self.create_raw(key, id)
        try:
            while data:
                data = data[os.write(fd, data) :]
        except OSError as error:
            os.close(fd)
            name = kind.file_name(id)
            # Half an inventory would look like a complete set.
            self.remove(key, id)
            raise _failed(f"Cannot write {name} to {self.path}", error, name) from None
        return fd

    def create_raw(self, key: str, id: int | None = None) -> int:
        """A new, empty file of mode 0600, read and write; an old one of that name is replaced.

        Returns the descriptor, which the caller closes. Raises ImageError, PermissionDenied.
        """
        name = BY_KEY[key].file_name(id)
        if name in self._prepared:
            return self._prepared.pop(name)
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            try:
                return os.open(name, flags, 0o600, dir_fd=self.fd)
            except FileExistsError:
                os.unlink(name, dir_fd=self.fd)
                return os.open(name, flags, 0o600, dir_fd=self.fd)
        except OSError as error:
            raise _failed(f"Cannot create {name} in {self.path}", error, name) from None

    def prepare(self, *images: tuple[str, int | None]) -> None:
        """Creates files ahead, so that it need not be done while tasks are stopped: `create_raw`
        and `write` take them then, and `close` removes those that were not taken."""
        for key, id in images:
            self._prepared[BY_KEY[key].file_name(id)] = self.create_raw(key, id)

    # Reading.

    def open_raw(self, key: str, id: int | None = None, *, for_writing: bool = False) -> int:
        """The descriptor of an existing file, which the caller closes.

        Raises ImageError if it is missing, a symbolic link or no regular file, PermissionDenied.
        """
        return self.open_named(BY_KEY[key].file_name(id), for_writing=for_writing)

    def open_named(self, name: str, *, for_writing: bool = False) -> int:
        """As `open_raw`, by a name, which may lead through `parent`: "parent/pages-1.img"."""
        mode = os.O_RDWR if for_writing else os.O_RDONLY
        try:
            # O_NONBLOCK: a fifo of that name must not make the open wait.
            flags = mode | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
            fd = os.open(name, flags, dir_fd=self.fd)
        except OSError as error:
            if error.errno == ENOENT:
                raise ImageError(
                    f"{name} is missing from the images in {self.path}",
                    subject=("image", name),
                ) from None
            if error.errno == ELOOP:
                raise ImageError(
                    f"{name} in {self.path} is a symbolic link",
                    because="images are regular files",
                    subject=("image", name),
                ) from None
            raise _failed(f"Cannot open {name} in {self.path}", error, name) from None
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            os.close(fd)
            raise ImageError(f"{name} in {self.path} is no regular file", subject=("image", name))
        return fd

    def read_with_extra(self, key: str, id: int | None = None) -> list[tuple[Any, bytes]]:
        """All entries of an image, each with the raw bytes that follow it, padding included.

        Raises ImageError for a file that is missing or damaged.
        """
        kind = BY_KEY[key]
        name = kind.file_name(id)
        fd = self.open_raw(key, id)
        try:
            buf = read_whole(fd, name)
        finally:
            os.close(fd)
        return parse_file(buf, name, kind)[1]

    def read(self, key: str, id: int | None = None) -> list[Any]:
        """All messages of an image, in order. Raises ImageError if it is missing or damaged."""
        return [message for message, _ in self.read_with_extra(key, id)]

    def read_one(self, key: str, id: int | None = None) -> Any:
        """The message of an image that has just one. Raises ImageError."""
        messages = self.read(key, id)
        if len(messages) != 1:
            name = BY_KEY[key].file_name(id)
            raise ImageError(
                f"{name} has {len(messages)} entries instead of one", subject=("image", name)
            )
        return messages[0]

    def open_after_head(self, key: str, id: int | None = None) -> tuple[Message, int]:
        """The first message of an image and a descriptor positioned behind it.

        For what should not go through memory, such as a large ghost file; the caller closes it.
        """
        kind = BY_KEY[key]
        name = kind.file_name(id)
        fd = self.open_raw(key, id)
        try:
            size = os.fstat(fd).st_size
            _, at = read_header(os.pread(fd, 8, 0), name, kind)
            # The extent is checked against the file's size before that many bytes are read.
            length = os.pread(fd, 4, at)
            if len(length) < 4:
                raise damaged(name, at, "it ends within the length of an entry")
            end = at + 4 + int.from_bytes(length, "little")
            if end > min(size, MAX_FILE):
                raise damaged(name, at, f"an entry of {end - at - 4} bytes has {size - at - 4}")
            buf = os.pread(fd, end, 0)
            begin, end = read_extent(buf, at, len(buf), name)
            message = read_message(kind.message_class(0), buf, begin, end, name)
            os.lseek(fd, end, os.SEEK_SET)
        except BaseException:
            os.close(fd)
            raise
        return message, fd


def read_whole(fd: int, name: str) -> bytes:
    """The bytes of an open file of messages. Raises ImageError if it is larger than 1 GiB."""
    size = os.fstat(fd).st_size
    if size > MAX_FILE:
        raise ImageError(
            f"{name} is too large", because=f"{size} bytes are no image of messages",
            subject=("image", name),
        )  # fmt: skip
    buf = os.read(fd, size + 1)
    while len(buf) < size:
        more = os.read(fd, size - len(buf))
        if not more:
            break
        buf += more
    return buf


def _open_directory(path: str, shown: str = "", dir_fd: int | None = None) -> int:
    shown = shown or path
    try:
        return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=dir_fd)
    except OSError as error:
        if error.errno == ENOENT:
            raise ImageError(
                f"There is no directory {shown}", subject=("directory", shown)
            ) from None
        if error.errno == ENOTDIR:
            raise ImageError(f"{shown} is no directory", subject=("directory", shown)) from None
        raise _failed(f"Cannot open the directory {shown}", error, shown) from None
