from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kapl_jax.errors import UserError
from kapl_jax.search.compiling import (
    PRECISIONS,
    compile_lowered,
    full_precision,
    is_out_of_memory,
    matmul_precision,
)


class Lowered:
    """A lowered program that tells the options that it is compiled with."""

    def compile(self, options=None):
        return options


def test_an_unknown_option_does_not_drop_the_others():
    options = compile_lowered(Lowered(), "cpu", xla_of_another_release=1)
    assert options == {"xla_cpu_prefer_vector_width": 512}
    more = compile_lowered(
        Lowered(), "cpu", xla_cpu_use_thunk_runtime="no", xla_cpu_enable_fast_math=False
    )
    assert more == {"xla_cpu_prefer_vector_width": 512, "xla_cpu_enable_fast_math": False}


def test_options_for_cpus_are_for_cpus():
    assert compile_lowered(Lowered(), "gpu", xla_cpu_enable_fast_math=False) is None


def test_a_program_that_cannot_be_compiled_says_so():
    class Broken:
        def compile(self, options=None):
            raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: no memory for the compiler")

    with pytest.raises(jax.errors.JaxRuntimeError, match="RESOURCE_EXHAUSTED"):
        compile_lowered(Broken(), "cpu")


def test_out_of_memory_is_told_from_other_errors():
    with pytest.raises(jax.errors.JaxRuntimeError) as caught:
        jnp.ones(1 << 45)
    assert is_out_of_memory(caught.value)
    assert is_out_of_memory(MemoryError())
    running = "INTERNAL: Error dispatching computation: Out of memory allocating 3156214788 bytes."
    assert is_out_of_memory(jax.errors.JaxRuntimeError(running))
    assert not is_out_of_memory(jax.errors.JaxRuntimeError("INTERNAL: a broken device"))
    assert not is_out_of_memory(ValueError("RESOURCE_EXHAUSTED"))


def precision_of(trace):
    with trace:
        text = jax.jit(lambda a: a @ a).lower(np.eye(3, dtype=np.float32)).as_text()
    return next(line for line in text.splitlines() if "dot_general" in line)


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("default", "precision = [DEFAULT, DEFAULT]"),
        ("tf32", "precision = [HIGH, HIGH]"),
        ("float32", "precision = [HIGHEST, HIGHEST]"),
        ("bfloat16", "lhs_precision_type = bf16"),
    ],
)
def test_the_precision_is_that_of_the_traced_products(name, written):
    assert name in PRECISIONS
    assert written in precision_of(matmul_precision(name))


@pytest.mark.parametrize(
    "told",
    [
        "INVALID_ARGUMENT: Algorithm not supported: ALG_DOT_BF16_BF16_F32",
        "UNIMPLEMENTED: Dot with multiple contracting dimensions is not implemented.",
    ],
)
def test_a_precision_that_the_device_cannot_compute_is_one_line(told):
    """What XLA says of some products."""
    with pytest.raises(UserError, match=r"--precision=bfloat16: the device cannot .*default"):
        fail_within("bfloat16", told)
    with pytest.raises(jax.errors.JaxRuntimeError, match=told[:16]):
        fail_within("float32", told)


def test_too_little_memory_is_not_blamed_on_the_precision():
    with pytest.raises(jax.errors.JaxRuntimeError, match="RESOURCE_EXHAUSTED"):
        fail_within("bfloat16", "RESOURCE_EXHAUSTED: no memory")


def fail_within(precision, told):
    with matmul_precision(precision):
        raise jax.errors.JaxRuntimeError(told)


def test_cpus_are_asked_for_no_algorithm_of_accelerators():
    assert "precision = [DEFAULT, DEFAULT]" in precision_of(matmul_precision("bfloat16", "cpu"))


def test_full_precision_wins_over_what_was_set():
    with jax.default_matmul_precision("bfloat16"):
        assert "[HIGHEST, HIGHEST]" in precision_of(full_precision())
