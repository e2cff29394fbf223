from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from subprocess import PIPE

import jax
import pytest

from kapl_jax.runs.program import device_name

ROOT = Path(__file__).resolve().parents[2]
HEAD = """
import sys
from absl import flags, logging
from kapl_jax.errors import UserError
from kapl_jax.runs.program import run_program
flags.DEFINE_integer("size", 3, "How many.")
def main(argv):
"""


def program(body: str) -> str:
    """Return a program with this body of `main`; it imports no JAX and starts at once."""
    lines = "".join(f"    {line}\n" for line in body.splitlines())
    return f"{HEAD}{lines}\nrun_program(main)\n"


def run(
    body: str,
    *arguments: str,
    text=True,
    stdout=PIPE,
    stderr=PIPE,
    before=(),
    **variables,
):
    """Run a program with this body of `main`, by what comes before, with more variables."""
    return subprocess.run(
        [*before, sys.executable, "-c", program(body), *arguments],
        stdout=stdout,
        stderr=stderr,
        text=text,
        check=False,
        cwd=ROOT,
        timeout=60,
        env={**os.environ, **variables},
    )


def test_a_program_that_ends_well():
    done = run("print(flags.FLAGS.size, argv[1:])", "--size=4", "word")
    assert (done.returncode, done.stdout, done.stderr) == (0, "4 ['word']\n", "")


def test_a_user_error_is_one_line():
    done = run("print('begun')\nraise UserError('a.txt:3: found this, expected that')")
    assert done.returncode == 1
    assert done.stdout == "begun\n"
    assert done.stderr == "error: a.txt:3: found this, expected that\n"


@pytest.mark.parametrize(
    ("argument", "named"),
    [("--size=x", "--size=x"), ("--unknown=1", "unknown"), ("--siz=1", "did you mean --size?")],
)
def test_a_flag_that_cannot_be_parsed_is_one_line(argument, named):
    done = run("print('begun')", argument)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("error: ")
    assert named in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("flag", ["--help", "-h", "-help", "--helpfull", "--helpshort"])
def test_help_shows_the_flags_and_is_no_error(flag):
    done = run("print('begun')", flag)
    assert (done.returncode, done.stderr) == (0, "")
    assert "--size" in done.stdout
    assert "begun" not in done.stdout


def test_a_fault_of_ours_keeps_its_traceback():
    done = run("1 / 0")
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert "ZeroDivisionError" in done.stderr


def test_an_interrupt_says_how_to_go_on():
    done = run("raise KeyboardInterrupt")
    assert done.returncode == 130
    assert done.stderr == "interrupted; give the same command again to continue\n"


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP", "SIGUSR1", "SIGINT"])
def test_a_signal_is_one_line_and_its_status(name):
    body = f"import os, signal\nos.kill(os.getpid(), signal.{name})\nsignal.pause()"
    done = run(body)
    by = "" if name == "SIGINT" else f" by {name}"
    assert done.returncode == 128 + signal.Signals[name]
    assert done.stderr == f"interrupted{by}; give the same command again to continue\n"


@pytest.mark.parametrize("name", ["SIGHUP", "SIGINT"])
def test_a_signal_that_was_to_be_ignored_is(name):
    """As nohup and shells in the background have it."""
    body = f"import os, signal\nos.kill(os.getpid(), signal.{name})\nprint('done')"
    done = run(body, before=["bash", "-c", f'trap \'\' {name}; exec "$0" "$@"'])
    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")


def test_a_signal_is_not_lost_while_garbage_is_collected():
    body = """import gc, os, signal, time
sent = []
def callback(phase, info):
    if not sent:
        sent.append(os.kill(os.getpid(), signal.SIGTERM))
        sum(range(10))
gc.callbacks.append(callback)
gc.collect()
while True:
    time.sleep(0.01)"""
    done = run(body)
    assert done.returncode == 143
    assert done.stderr == "interrupted by SIGTERM; give the same command again to continue\n"


@pytest.mark.parametrize("body", ["os.kill(os.getpid(), signal.SIGTERM)", "pass"])
def test_a_signal_while_the_program_exits_is_no_traceback(body):
    """As of somebody who gives Ctrl-C several times."""
    done = run(
        f"""import atexit, os, signal
atexit.register(lambda: os.kill(os.getpid(), signal.SIGINT))
{body}
"""
    )
    assert done.returncode == -signal.SIGINT
    assert "Traceback" not in done.stderr
    assert done.stderr.count("\n") == (0 if body == "pass" else 1)


def test_a_second_signal_does_not_wait():
    body = """import os, signal
from kapl_jax.runs.interruption import is_asked, waiting
with waiting():
    os.kill(os.getpid(), signal.SIGTERM)
    print('waits', is_asked(), flush=True)
    os.kill(os.getpid(), signal.SIGHUP)
    print('not reached')"""
    done = run(body)
    assert (done.returncode, done.stdout) == (129, "waits True\n")
    assert done.stderr == "interrupted by SIGHUP; give the same command again to continue\n"


def test_libraries_do_not_chatter():
    done = run("logging.info('a step of Orbax')\nlogging.warning('worth telling')")
    assert "Orbax" not in done.stderr
    assert "worth telling" in done.stderr


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("open('no/a.txt')", "no/a.txt: cannot be used: No such file or directory"),
        ("open('experiments')", "experiments: cannot be used: Is a directory"),
        (
            "raise OSError(30, 'Read-only file system', 'a.txt')",
            "a.txt: cannot be written: Read-only file system",
        ),
        (
            "raise OSError(28, 'No space left on device', 'a.txt')",
            "a.txt: cannot be written: No space left on device; make room, then give the same "
            "command again",
        ),
        # As Orbax and TensorStore wrap it: beside, from, in a group, or as text.
        (
            "try:\n    raise OSError(28, 'No space left on device', 'a.txt')\n"
            "except OSError:\n    raise ValueError('could not save')",
            "a.txt: cannot be written: No space left on device",
        ),
        (
            "raise RuntimeError('not saved') from OSError(5, 'Input/output error', 'a.txt')",
            "a.txt: cannot be used: Input/output error",
        ),
        (
            "raise ExceptionGroup('saving', [OSError(122, 'Disk quota exceeded', 'a.txt')])",
            "a.txt: cannot be written: Disk quota exceeded",
        ),
        (
            'raise ValueError(\'RESOURCE_EXHAUSTED: Error writing "/run/d/0": Failed [OS error '
            "28: ENOSPC No space left on device]')",
            "/run/d/0: cannot be written: No space left on device",
        ),
        ("raise MemoryError('Unable to allocate 7 TiB')", "not enough memory (Unable to allocate"),
    ],
)
def test_a_fault_of_the_machine_is_one_line(body, told):
    done = run(body)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"error: {told}")
    assert done.stderr.count("\n") == 1


def test_a_fault_of_ours_beside_a_file_keeps_its_traceback():
    done = run("try:\n    open('no/a.txt')\nexcept OSError:\n    1 / 0")
    assert done.returncode == 1
    assert "ZeroDivisionError" in done.stderr
    assert "Traceback" in done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
@pytest.mark.parametrize("lines", [1, 100_000])
def test_output_that_cannot_be_written_is_one_line(lines):
    with Path("/dev/full").open("w") as full:
        done = run(f"for number in range({lines}):\n    print(number)", stdout=full)
    assert done.returncode == 1
    assert done.stderr.startswith(
        "error: standard output: cannot be written: No space left on device"
    )
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "ascii:strict", "latin-1", "utf-8"])
def test_what_the_terminal_lacks_is_escaped(encoding):
    body = """import json, sys
print("⟨h1⟩ ± é 😀")
print(json.dumps("⟨é😀", ensure_ascii=False))
print("\\udcffname")
print("⟨", file=sys.stderr)"""
    done = run(body, PYTHONIOENCODING=encoding, PYTHONUTF8="0", text=False)
    assert done.returncode == 0
    assert b"Traceback" not in done.stderr
    first, second, third = done.stdout.splitlines()
    plain = encoding.split(":")[0]
    assert first.decode(plain).startswith("⟨h1⟩" if plain == "utf-8" else "\\u27e8h1\\u27e9")
    assert json.loads(second.decode(plain)) == "⟨é😀"
    # A byte of a file name that is no UTF-8 comes out as it was.
    assert third == b"\xffname"


@pytest.mark.parametrize("lines", [1, 100_000])
@pytest.mark.parametrize("end", ["", "raise UserError('found this')"])
def test_a_reader_that_has_gone_is_no_error(lines, end):
    reading, writing = os.pipe()
    os.close(reading)
    body = f"for number in range({lines}):\n    print(number)\n{end}"
    done = run(body, stdout=writing, PYTHONUNBUFFERED="")
    os.close(writing)
    # With few lines the end comes before anything is written.
    expected = (1, "error: found this\n") if end and lines == 1 else (0, "")
    assert (done.returncode, done.stderr) == expected


def test_a_broken_pipe_elsewhere_is_no_reader_that_has_gone():
    done = run("raise BrokenPipeError(32, 'Broken pipe', 'a.txt')")
    assert (done.returncode, done.stderr) == (1, "error: a.txt: cannot be used: Broken pipe\n")


def test_standard_error_that_breaks_stops_nothing(tmp_path):
    reading, writing = os.pipe()
    os.close(reading)
    body = f"""from tqdm import tqdm
for number in tqdm(range(100), mininterval=0, miniters=1):
    print(number, file=sys.stderr, flush=True)
open({str(tmp_path / "end")!r}, "w").close()
print("end")"""
    done = run(body, stderr=writing)
    os.close(writing)
    assert (done.returncode, done.stdout) == (0, "end\n")
    assert (tmp_path / "end").exists()


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_closed_streams_are_nowhere(tmp_path, closed):
    """Else the next file opened would be standard output, and take what is printed."""
    body = f"""stream = open({str(tmp_path / "file")!r}, "w")
print("said")
print("warned", file=sys.stderr)
sys.stdout.flush()
assert stream.fileno() > 2
stream.write("kept")"""
    shell = ["bash", "-c", f'exec "$0" "$@" {closed}', sys.executable, "-c", program(body)]
    done = subprocess.run(shell, capture_output=True, check=False, cwd=ROOT, timeout=60)
    assert done.returncode == 0
    assert (tmp_path / "file").read_text() == "kept"


def test_cpu_cores_are_devices():
    body = """from kapl_jax.runs.program import device_name, use_cpu_cores
use_cpu_cores(3)
print(device_name())"""
    done = run(body, JAX_PLATFORMS="cpu")
    assert (done.returncode, done.stdout, done.stderr) == (0, "3 x cpu\n", "")


@pytest.mark.parametrize("platforms", ["cuda", "rocm", "nonsense", "tpu"])
def test_devices_that_are_not_there(platforms):
    if jax.default_backend() == platforms:
        pytest.skip("they are there")
    body = "from kapl_jax.runs.program import use_cpu_cores\nuse_cpu_cores()"
    done = run(body, JAX_PLATFORMS=platforms)
    assert (done.returncode, done.stdout) == (1, "")
    lines = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1
    assert lines[0].startswith(f"error: $JAX_PLATFORMS={platforms}: JAX finds no such device: ")
    assert "Traceback" not in done.stderr


def test_device_name():
    assert device_name() == f"{jax.device_count()} x {jax.devices()[0].device_kind}"
