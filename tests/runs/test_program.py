from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

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


def run(body: str, *arguments: str, **more) -> subprocess.CompletedProcess[str]:
    """Run a program with this body of `main`; it imports no JAX and starts at once."""
    lines = "".join(f"    {line}\n" for line in body.splitlines())
    program = f"{HEAD}{lines}\nrun_program(main)\n"
    return subprocess.run(
        [sys.executable, "-c", program, *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        timeout=60,
        **more,
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


def test_help_shows_the_flags():
    done = run("print('begun')", "--help")
    assert "--size" in done.stdout + done.stderr
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


def test_libraries_do_not_chatter():
    done = run("logging.info('a step of Orbax')\nlogging.warning('worth telling')")
    assert "Orbax" not in done.stderr
    assert "worth telling" in done.stderr


@pytest.mark.parametrize("lines", [1, 100_000])
def test_a_reader_that_has_gone_is_no_error(lines):
    reading, writing = os.pipe()
    os.close(reading)
    body = f"for number in range({lines}):\n    print(number)"
    program = f"{HEAD}    {body.replace(chr(10), chr(10) + '    ')}\nrun_program(main)\n"
    done = subprocess.run(
        [sys.executable, "-c", program],
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        cwd=ROOT,
        timeout=60,
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, "")


def test_cpu_cores_are_devices():
    body = """from kapl_jax.runs.program import device_name, use_cpu_cores
use_cpu_cores(3)
print(device_name())"""
    done = run(body, env={**os.environ, "JAX_PLATFORMS": "cpu"})
    assert (done.returncode, done.stdout, done.stderr) == (0, "3 x cpu\n", "")


def test_device_name():
    assert device_name() == f"{jax.device_count()} x {jax.devices()[0].device_kind}"
