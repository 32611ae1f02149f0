import keras
import pytest

from components.trainer.training.precision import cpu_is_faster_in_bfloat16, dtype_policy


@pytest.mark.parametrize(
    ("vendor", "flags", "faster"),
    [
        ("GenuineIntel", "avx512f avx512_bf16 amx_bf16 amx_tile", True),
        ("GenuineIntel", "avx512f avx512_bf16", False),
        ("AuthenticAMD", "avx512f avx512_bf16", True),
        ("AuthenticAMD", "avx2", False),
    ],
)
def test_auto_is_bfloat16_on_cpus_that_are_faster_in_it(vendor, flags, faster):
    cpuinfo = f"processor\t: 0\nvendor_id\t: {vendor}\nflags\t\t: fpu {flags} sse4_1\n"
    assert cpu_is_faster_in_bfloat16(cpuinfo) == faster
    assert not cpu_is_faster_in_bfloat16("")


def test_the_old_policy_is_restored():
    before = keras.config.dtype_policy()
    with pytest.raises(ZeroDivisionError), dtype_policy("bfloat16"):
        _ = 1 / 0
    assert keras.config.dtype_policy() == before
