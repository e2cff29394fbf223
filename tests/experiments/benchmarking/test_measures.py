"""Times in turn, memory and profiles."""

import jax
import jax.numpy as jnp
import numpy as np
import psutil
import pytest

from experiments.benchmarking.measures import Case, Timing, alternate, peak_bytes, profile


def test_cases_are_warmed_up_and_then_timed_in_turn():
    order, seconds = [], {"a": iter([100.0, 3.0, 1.0, 2.0]), "b": iter([50.0, 4.0, 4.0, 8.0])}

    def case(name):
        def measure():
            order.append(name)
            return next(seconds[name])

        return Case(name, measure)

    timings = alternate([case("a"), case("b")], rounds=3)
    assert order == ["a", "b"] * 4
    # The first of each, which compiles, does not count.
    assert timings == {"a": Timing(2.0, 1.0, 3.0), "b": Timing(4.0, 4.0, 8.0)}
    assert timings["b"].rate == 0.25


def test_the_peak_of_memory_is_in_bytes_and_stays():
    held = np.ones(1 << 23)
    peak = peak_bytes()
    assert held.nbytes < peak < psutil.virtual_memory().total
    assert peak > 0.9 * psutil.Process().memory_info().rss
    del held
    assert peak_bytes() >= peak


def test_a_profile_shares_the_time_among_operations():
    program = jax.jit(lambda x: jax.lax.fori_loop(0, 20, lambda _, x: jnp.sin(x @ x), x))
    x = jnp.ones((200, 200))
    program(x)
    shares = dict(profile(lambda: program(x)))
    assert list(shares)[-1] == "others"
    assert sum(shares.values()) == pytest.approx(1.0)
    assert sum(share for name, share in shares.items() if "sin" in name) > 0.01
    # The loop holds the other operations, and would count them twice.
    assert not any(name.startswith("while") for name in shares)
    assert not any(character.isdigit() for name in shares for character in name)
    first, others = profile(lambda: program(x), most=1)
    assert first[0] != others[0] == "others"
    assert others[1] > 0
