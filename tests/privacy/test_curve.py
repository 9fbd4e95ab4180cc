"""Hashes to Curve25519: the published vectors, and points of the curve for every text."""

import numpy as np
import pytest

from fedjax_shap.privacy.curve import FIELD, hash_to_curve, map_to_curve

SUITE = b"QUUX-V01-CS02-with-curve25519_XMD:SHA-512_ELL2_RO_"
# RFC 9380, appendix J.4.1: the u-coordinate of P for each message
PUBLISHED = {
    b"": "2de3780abb67e861289f5749d16d3e217ffa722192d16bbd9d1bfb9d112b98c0",
    b"abc": "2b4419f1f2d48f5872de692b0aca72cc7b0a60915dd70bde432e826b6abc526d",
    b"abcdef0123456789": "68ca1ea5a6acf4e9956daa101709b1eee6c1bb0df1de3b90d4602382a104c036",
    b"q128_" + b"q" * 128: "096e9c8bae6c06b554c1ee69383bb0e82267e064236b3a30608d4ed20b73ac5a",
}
# ... and of the first message what is mapped, and to which points
MAPPED = {
    0x5FE8A7B8FEF0A16C105E6CADF5A6740B3365E18692A9C05BFBB4D97F645A6A: (
        0x36B4DF0C864C64707CBF6CF36E9EE2C09A6CB93B28313C169BE29561BB904F98,
        0x6CD59D664FB58C66C892883CD0EB792E52055284DAC3907DD756B45D15C3983D,
    ),
    0x1347EDBEC6A2B5D8C02E058819819BEE177077C9D10A4CE165AAB0FD0252261A: (
        0x3FA114783A505C0B2B2FBEEF0102853C0B494E7757F2A089D0DAAE7ED9A0DB2B,
        0x76C0FE7FEC932AAAFB8EEFB42D9CBB32EB931158F469FF3050AF15CFDBBEFF94,
    ),
}


def doubled(u):
    """The u-coordinate of twice a point of v^2 = u^3 + 486662 u^2 + u."""
    below = 4 * u * (u * u + 486662 * u + 1)
    return (u * u - 1) ** 2 * pow(below, -1, FIELD) % FIELD


def is_on_curve(u):
    """Whether u^3 + 486662 u^2 + u is a square, by Euler's criterion."""
    return pow(u**3 + 486662 * u * u + u, (FIELD - 1) // 2, FIELD) in (0, 1)


def test_numbers_are_mapped_to_the_published_points():
    for (u, v), point in zip(MAPPED.values(), map_to_curve(list(MAPPED)), strict=True):
        assert (point.top * pow(point.bottom, -1, FIELD) % FIELD, point.v) == (u, v)


def test_eight_times_a_hash_is_the_published_point():
    points = hash_to_curve(list(PUBLISHED), SUITE)
    numbers = [int.from_bytes(point, "little") for point in points]
    cleared = [doubled(doubled(doubled(number))) for number in numbers]
    assert [f"{number:064x}" for number in cleared] == list(PUBLISHED.values())


def test_hashes_are_on_the_curve_and_never_on_its_twist():
    numbers = [
        int.from_bytes(one, "little") for one in hash_to_curve([b"%d" % i for i in range(40)])
    ]
    assert all(map(is_on_curve, numbers))
    # a plain hash would be on the curve every second time
    assert 5 < sum(is_on_curve(number) for number in range(2, 42)) < 35


def test_a_hash_depends_on_the_text_and_the_suite_and_not_on_what_is_hashed_beside_it():
    texts = [b"%d" % i for i in range(30)]
    together = hash_to_curve(texts)
    assert len(set(together)) == 30
    assert [hash_to_curve([text])[0] for text in texts[::10]] == together[::10]
    assert hash_to_curve(texts[:1], SUITE) != together[:1]
    assert hash_to_curve([]) == []


@pytest.mark.parametrize("number", [0, 1, FIELD - 1])
def test_extreme_numbers_are_mapped_to_points_of_the_curve(number):
    (point,) = map_to_curve([number])
    u = point.top * pow(point.bottom, -1, FIELD) % FIELD
    assert point.v**2 % FIELD == (u**3 + 486662 * u * u + u) % FIELD


def test_many_points_have_a_v_that_fits():
    numbers = [int.from_bytes(np.random.default_rng(i).bytes(31), "little") for i in range(50)]
    for point in map_to_curve(numbers):
        u = point.top * pow(point.bottom, -1, FIELD) % FIELD
        assert point.v**2 % FIELD == (u**3 + 486662 * u * u + u) % FIELD
