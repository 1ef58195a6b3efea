"""Files that tamis writes: checked before any work, whole at every moment, nothing left behind."""

import os
import re
import stat
import subprocess
import sys
import threading
import zipfile

import numpy as np
import pytest
import tamis
from tamis._shared import output

X = np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32)
KILLED = """
import os, signal, sys
from tamis._shared import output
def fill(file):
    file.write(b"half")
    file.flush()
    os.kill(os.getpid(), signal.SIGKILL)
output.write("test", sys.argv[1], fill)
"""


def put(path, content=b"new"):
    output.write("test: path", path, lambda file: file.write(content))


def mode(path):
    return stat.S_IMODE(os.stat(path).st_mode)


@pytest.fixture
def umask():
    before = os.umask(0o027)
    yield
    os.umask(before)


class TestWrite:
    def test_mode_is_of_the_umask_or_of_the_file_before(self, tmp_path, umask):
        put(tmp_path / "a")
        assert mode(tmp_path / "a") == 0o640
        os.chmod(tmp_path / "a", 0o606)
        put(tmp_path / "a", b"newer")
        assert mode(tmp_path / "a") == 0o606 and (tmp_path / "a").read_bytes() == b"newer"

    def test_follows_links(self, tmp_path):
        (tmp_path / "sub").mkdir()
        for target in ("sub/old", "sub/new"):
            link = tmp_path / os.path.basename(target)
            link.symlink_to(target)
            if target == "sub/old":
                (tmp_path / target).write_bytes(b"old")
            put(link)
            assert link.is_symlink() and (tmp_path / target).read_bytes() == b"new"
        assert sorted(os.listdir(tmp_path / "sub")) == ["new", "old"]

    def test_a_failure_leaves_the_old_file_and_no_other(self, tmp_path):
        put(tmp_path / "a", b"old")

        def fill(file):
            file.write(b"half")
            raise KeyError("mine")

        with pytest.raises(KeyError, match="mine"):
            output.write("test", tmp_path / "a", fill)
        assert os.listdir(tmp_path) == ["a"] and (tmp_path / "a").read_bytes() == b"old"

    def test_what_killed_runs_leave_does_not_grow_and_goes(self, tmp_path):
        target = tmp_path / "a"
        put(target, b"old")
        for _ in range(3):
            subprocess.run([sys.executable, "-c", KILLED, str(target)], check=False)
            assert target.read_bytes() == b"old" and len(os.listdir(tmp_path)) == 2
        put(target)
        assert os.listdir(tmp_path) == ["a"] and target.read_bytes() == b"new"

    def test_two_writers_at_once(self, tmp_path):
        target, errors = tmp_path / "a", []

        def writer(letter):
            try:
                for _ in range(40):
                    put(target, letter * 5000)
            except Exception as error:
                errors.append(error)

        threads = [threading.Thread(target=writer, args=(x,)) for x in (b"a", b"b", b"c")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert errors == [] and os.listdir(tmp_path) == ["a"]
        assert target.read_bytes() in (b"a" * 5000, b"b" * 5000, b"c" * 5000)


class TestCheck:
    @pytest.mark.parametrize(
        ("name", "error", "text"),
        [
            ("none/a.npy", FileNotFoundError, "a folder that does not exist"),
            ("sub", IsADirectoryError, "got a folder"),
            ("new/", IsADirectoryError, "the name of a folder"),
            ("fifo", ValueError, "must be a regular file, got a FIFO"),
            ("link", ValueError, "must be a regular file, got a FIFO"),
            ("/dev/null", ValueError, "must be a regular file, got a device"),
            ("", ValueError, "must be the name of a file"),
            ("a\0b", ValueError, "must be the name of a file"),
        ],
    )
    def test_refusals(self, tmp_path, name, error, text):
        (tmp_path / "sub").mkdir()
        os.mkfifo(tmp_path / "fifo")
        (tmp_path / "link").symlink_to("fifo")
        path = os.path.join(tmp_path, name) if name and "\0" not in name else name
        for f in (lambda: output.check("test: path", path), lambda: put(path)):
            with pytest.raises(error, match=text):
                f()
        with pytest.raises(error, match="zcore: checkpoint"):
            tamis.zcore(X, n_samples=1 << 40, checkpoint=path)
        assert sorted(os.listdir(tmp_path)) == ["fifo", "link", "sub"]

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
    def test_permission(self, tmp_path):
        (tmp_path / "a").write_bytes(b"")
        os.chmod(tmp_path / "a", 0o400)
        with pytest.raises(PermissionError, match="cannot be written to"):
            put(tmp_path / "a")
        os.chmod(tmp_path, 0o500)
        with pytest.raises(PermissionError, match="a folder that cannot be written to"):
            put(tmp_path / "b")

    def test_never_an_input(self, tmp_path):
        (tmp_path / "x").write_bytes(b"")
        (tmp_path / "link").symlink_to("x")
        os.link(tmp_path / "x", tmp_path / "hard")
        for name in ("x", "link", "hard"):
            with pytest.raises(ValueError, match="must not be the file"):
                output.check("test", tmp_path / name, (None, tmp_path / "x"))


class TestCheckpoint:
    def damaged(self, tmp_path, **parts):
        path = tmp_path / "run.npz"
        tamis.zcore(X, n_samples=200, checkpoint=path)
        with np.load(path) as file:
            np.savez(path, **{**file, **parts})
        return path

    @pytest.mark.parametrize(
        ("part", "value", "text"),
        [
            ("done", -5, "it has -5 draws"),
            ("done", 2.0, "it holds"),
            ("done", [3], "it holds arrays of shapes"),
            ("sums", np.zeros(60), "it holds"),
            ("sums", np.zeros(60, np.int32), "it holds"),
            ("sums", np.zeros(60, bool), "it holds"),
            ("sums", np.array(["1"] * 60), "it holds"),
            ("sums", np.zeros((60, 1), np.int64), "it holds arrays of shapes"),
            ("rule", 7, "it holds"),
        ],
    )
    def test_parts_of_another_kind(self, tmp_path, part, value, text):
        path = self.damaged(tmp_path, **{part: value})
        with pytest.raises(ValueError, match=f"is not a zcore checkpoint: {text}"):
            tamis.zcore(X, n_samples=400, checkpoint=path)

    def test_a_header_that_claims_more_than_the_file_has(self, tmp_path):
        path = self.damaged(tmp_path)
        with zipfile.ZipFile(path) as file:
            members = {name: file.read(name) for name in file.namelist()}
        header = members["sums.npy"]
        members["sums.npy"] = re.sub(rb"\(60,\)(.{1,3}?) {10}", rb"(600000000000,)\1", header)
        assert members["sums.npy"] != header
        with zipfile.ZipFile(path, "w") as file:
            for name, content in members.items():
                file.writestr(name, content)
        with pytest.raises(ValueError, match="is not a zcore checkpoint: sums claims"):
            tamis.zcore(X, n_samples=400, checkpoint=path)

    def test_a_npy_file(self, tmp_path):
        np.save(tmp_path / "a.npy", X)
        with pytest.raises(ValueError, match="is not a zcore checkpoint"):
            tamis.zcore(X, n_samples=400, checkpoint=tmp_path / "a.npy")
        np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), X)


class TestExactDuplicates:
    def test_only_regular_files_are_read(self, tmp_path):
        for name in ("a", "b"):
            os.mkfifo(tmp_path / name)
        (tmp_path / "empty").write_bytes(b"")
        paths = [*(tmp_path / n for n in ("a", "b", "empty")), "/dev/zero", tmp_path, "a\0b"]
        with pytest.warns(UserWarning, match="exact_duplicates: 5 files could not be read"):
            assert tamis.exact_duplicates([*paths, tmp_path / "empty"]) == {2: [6]}

    @pytest.mark.parametrize("workers", [0, -1, True, 2.5])
    def test_workers(self, workers):
        with pytest.raises((TypeError, ValueError), match="exact_duplicates: num_workers must be"):
            tamis.exact_duplicates([], num_workers=workers)
