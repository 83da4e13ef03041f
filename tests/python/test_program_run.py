"""``cjoblib run``: a command's output, exit status and files, kept and given again."""

import os
import signal
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

PROGRAM = Path(sysconfig.get_path("scripts")) / "cjoblib"
if not PROGRAM.exists():
    pytest.skip("the program is not installed", allow_module_level=True)


@pytest.fixture
def run(tmp_path):
    """Run ``cjoblib run --cache CACHE ...`` in the scratch folder."""

    def runner(*arguments, env=None, stdin=subprocess.DEVNULL, **options):
        return subprocess.run(
            [PROGRAM, "run", "--cache", tmp_path / "cache", *arguments],
            cwd=tmp_path,
            env={**os.environ, **(env or {})},
            stdin=stdin,
            capture_output=True,
            timeout=60,
            **options,
        )

    return runner


@pytest.fixture
def counted(tmp_path):
    """A script that notes each time it runs, and how often it did."""
    runs = tmp_path / "runs"

    def script(text):
        path = tmp_path / "script"
        path.write_text(f"#!/bin/sh\necho ran >>{runs}\n{text}\n")
        path.chmod(0o755)
        return path

    script.count = lambda: len(runs.read_text().splitlines()) if runs.exists() else 0
    return script


def test_output_and_status_come_again(run, counted):
    script = counted('echo "out $1"; echo err >&2; exit 3')
    for _ in range(3):
        done = run(script, "a b")
        assert (done.returncode, done.stdout, done.stderr) == (
            3,
            b"out a b\n",
            b"err\n",
        )
    assert counted.count() == 1


def test_outputs_come_in_their_order(run, counted, tmp_path):
    script = counted("for i in 1 2 3; do echo o$i; echo e$i >&2; sleep 0.05; done")
    both = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    command = [PROGRAM, "run", "--cache", tmp_path / "cache", script]
    first = subprocess.run(command, **both, timeout=60)
    again = subprocess.run(command, **both, timeout=60)
    assert first.stdout == again.stdout == b"o1\ne1\no2\ne2\no3\ne3\n"
    assert counted.count() == 1


@pytest.mark.parametrize(
    "other", [["a"], ["a", "b", ""], ["ab"], ["a", "c"], ["b", "a"]]
)
def test_arguments_are_the_key(run, counted, other):
    script = counted('echo "$#" "$@"')
    run(script, "a", "b")
    done = run(script, *other)
    assert done.stdout.split() == [
        str(len(other)).encode(),
        *[a.encode() for a in other if a],
    ]
    assert counted.count() == 2


def test_an_edited_program_runs_again(run, counted):
    assert run(counted("echo 1")).stdout == b"1\n"
    assert run(counted("echo 2")).stdout == b"2\n"
    assert run(counted("echo 1")).stdout == b"1\n"
    assert counted.count() == 2


def test_inputs_count_by_content(run, counted, tmp_path):
    script, file = counted("cat data"), tmp_path / "data"
    file.write_text("one")
    assert run("--input", "data", script).stdout == b"one"
    file.write_text("two")
    assert run("--input=data", script).stdout == b"two"
    file.write_text("one")
    os.utime(file, (0, 0))
    assert run("--input", "data", "--", script).stdout == b"one"
    assert counted.count() == 2


def test_standard_input_is_read_when_asked_for(run, counted, tmp_path):
    script = counted("cat")
    for text in (b"x" * 300_000, b"y", b"x" * 300_000):
        file = tmp_path / "in"
        file.write_bytes(text)
        with file.open("rb") as stdin:
            assert run("--input", "-", script, stdin=stdin).stdout == text
    assert counted.count() == 2
    assert run(script).stdout == b""


def test_variables(run, counted):
    script = counted('echo "[$V]"')
    found = [
        run("--env", "V", script, env=env).stdout
        for env in ({"V": "1"}, {"V": "2"}, {})
    ]
    assert found == [b"[1]\n", b"[2]\n", b"[]\n"]
    assert run("--env", "V", script, env={"V": ""}).stdout == b"[]\n"
    assert counted.count() == 4
    assert run("--env", "V", script, env={"V": "1", "W": "3"}).stdout == b"[1]\n"
    assert counted.count() == 4


def test_output_files(run, counted, tmp_path):
    script = counted("printf made >made; printf '#!' >tool; chmod 750 tool")
    wanted = ["--output", "made", "--output", "tool", script]
    assert run(*wanted).returncode == 0
    (tmp_path / "made").write_text("changed")
    (tmp_path / "tool").unlink()
    assert run(*wanted).returncode == 0
    assert (tmp_path / "made").read_text() == "made"
    assert (tmp_path / "tool").read_text() == "#!"
    assert (tmp_path / "tool").stat().st_mode & 0o777 == 0o750
    assert counted.count() == 1


def test_an_output_that_looks_the_same_was_written(run, counted, tmp_path):
    (tmp_path / "made").write_text("made")
    assert run("--output", "made", counted("printf made >made")).returncode == 0


@pytest.mark.parametrize("there_before", [True, False])
def test_an_output_that_was_not_written(run, counted, tmp_path, there_before):
    if there_before:
        (tmp_path / "made").write_text("old")
    for n in (1, 2):
        done = run("--output", "made", counted("echo hi"))
        assert done.returncode == 125
        assert b"output made: the command did not write it" in done.stderr
        assert counted.count() == n
    if there_before:
        assert (tmp_path / "made").read_text() == "old"


def test_a_failed_command_need_not_write(run, counted):
    for n in (1, 2):
        assert run("--output", "made", counted("exit 4")).returncode == 4
        assert counted.count() == n


def test_only_success(run, counted):
    for n in (1, 2):
        assert run("--only-success", counted("exit 4")).returncode == 4
        assert counted.count() == n


def test_an_output_folder_that_is_gone_means_running_again(run, counted, tmp_path):
    script = counted("mkdir -p d; echo x >d/made")
    assert run("--output", "d/made", script).returncode == 0
    (tmp_path / "d/made").unlink()
    (tmp_path / "d").rmdir()
    done = run("--output", "d/made", script)
    assert done.returncode == 0
    assert (tmp_path / "d/made").read_text() == "x\n"
    assert counted.count() == 2


def test_wrong_usage(run):
    for arguments in (
        [],
        ["--frob", "true"],
        ["--input"],
        ["--only-success=1", "true"],
    ):
        done = run(*arguments)
        assert done.returncode == 125
        assert done.stderr.startswith(b"cjoblib: ")


def test_programs_that_cannot_run(run, tmp_path):
    (tmp_path / "text").write_text("x")
    cases = {
        "no-such-program": 127,
        "./none/such": 127,
        "./text": 126,
        "/": 126,
        "": 127,
    }
    for name, code in cases.items():
        done = run("--", name)
        assert done.returncode == code, name
        assert name.encode() in done.stderr


@pytest.mark.parametrize("name", ["none", "/", "fifo"])
def test_bad_inputs(run, tmp_path, name):
    os.mkfifo(tmp_path / "fifo")
    done = run("--input", name, "true")
    assert done.returncode == 125
    assert f"input {name}:".encode() in done.stderr


def test_a_killed_command_is_not_kept(run, counted):
    for n in (1, 2):
        done = run(counted("kill -9 $$"))
        assert done.returncode == 128 + 9
        assert b"killed by signal 9" in done.stderr
        assert counted.count() == n


def test_a_signal_reaches_the_command(counted, tmp_path):
    script = counted(
        "trap 'echo got it; exit 5' TERM; echo ready; while :; do sleep 0.1; done"
    )
    command = [PROGRAM, "run", "--cache", tmp_path / "cache", script]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"ready\n"
        process.terminate()
        assert process.stdout.read() == b"got it\n"
        assert process.wait(timeout=60) == 5


def test_ctrl_c_ends_both(counted, tmp_path):
    script = counted("echo ready; exec sleep 100")
    command = [PROGRAM, "run", "--cache", tmp_path / "cache", script]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    ) as process:
        assert process.stdout.readline() == b"ready\n"
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(timeout=60) == -signal.SIGINT


def test_what_a_shell_gives_every_command(run):
    """No pending or blocked signals, nothing ignored, no open descriptors of ours."""
    script = (
        "import os, signal;"
        "print(signal.pthread_sigmask(signal.SIG_BLOCK, []),"
        " signal.getsignal(signal.SIGTERM) == signal.SIG_DFL, sorted(os.listdir('/proc/self/fd'))[:4])"
    )
    done = run(sys.executable, "-c", script)
    assert done.stdout == b"set() True ['0', '1', '2', '3']\n"
    done = run("sh", "-c", "yes | head -1; cat /proc/self/status | grep SigIgn")
    assert done.stdout.split()[0] == b"y"
    assert int(done.stdout.split()[-1], 16) & 1 << (signal.SIGPIPE - 1) == 0


def test_a_store_that_cannot_be_used_costs_nothing_but_time(run, counted, tmp_path):
    (tmp_path / "cache").write_text("not a folder")
    for n in (1, 2):
        done = run(counted("echo hi"))
        assert (done.returncode, done.stdout) == (0, b"hi\n")
        assert b"warning" in done.stderr
        assert str(tmp_path / "cache").encode() in done.stderr
        assert counted.count() == n


def test_a_damaged_entry_is_made_again(run, counted, tmp_path):
    script = counted("echo hi")
    run(script)
    (entry,) = [
        p for p in (tmp_path / "cache").rglob("*") if p.is_file() and len(p.name) == 32
    ]
    data = bytearray(entry.read_bytes())
    data[len(data) // 2] ^= 1
    entry.write_bytes(data)
    done = run(script)
    assert done.stdout == b"hi\n"
    assert b"damaged" in done.stderr
    assert run(script).stderr == b""
    assert counted.count() == 2


def test_at_once(counted, tmp_path):
    """However many ask at the same time, one runs."""
    script = counted("sleep 0.3; echo hi")
    command = [PROGRAM, "run", "--cache", tmp_path / "cache", script]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(8)]
    for process in processes:
        assert process.communicate(timeout=60)[0] == b"hi\n"
        assert process.returncode == 0
    assert counted.count() == 1


def test_large_output(run, counted):
    script = counted("head -c 30000000 /dev/zero")
    assert len(run(script).stdout) == 30_000_000
    assert run(script).stdout == bytes(30_000_000)
    assert counted.count() == 1


def test_lost_output(counted, tmp_path):
    script = counted("echo hi")
    for _ in range(2):
        with open("/dev/full", "wb") as full:
            done = subprocess.run(
                [PROGRAM, "run", "--cache", tmp_path / "cache", script],
                stdout=full,
                stderr=subprocess.PIPE,
                timeout=60,
            )
        assert done.returncode == 125
        assert b"No space left" in done.stderr
    assert counted.count() == 1


def test_the_default_place(counted, tmp_path):
    script = counted("echo hi")
    for variables in (
        {"CJOBLIB_CACHE": str(tmp_path / "one")},
        {"XDG_CACHE_HOME": str(tmp_path / "two"), "CJOBLIB_CACHE": ""},
        {"HOME": str(tmp_path / "three"), "XDG_CACHE_HOME": "", "CJOBLIB_CACHE": ""},
    ):
        subprocess.run(
            [PROGRAM, "run", script],
            env={**os.environ, **variables},
            check=True,
            timeout=60,
        )
    assert (tmp_path / "one/cjoblib/run").is_dir()
    assert (tmp_path / "two/cjoblib-run/cjoblib/run").is_dir()
    assert (tmp_path / "three/.cache/cjoblib-run/cjoblib/run").is_dir()
