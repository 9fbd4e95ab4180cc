"""Where stores lie: every game has a folder of its own, and every folder is of one part."""

import pytest
from stores import fill

from fedjax_shap.engine.folders import part_of, place, stores_folder

GAMES = ("a" * 32, "b" * 32, "0123456789abcdef" * 2 + "-3")


@pytest.mark.parametrize("part", ["", "curves", "round-0003"])
def test_each_game_of_a_part_has_a_folder_of_its_own(part, tmp_path):
    places = {}
    for fingerprint in GAMES:
        places[fingerprint] = place(tmp_path, part, fingerprint)
        fill(places[fingerprint], fingerprint=fingerprint)
    assert places[GAMES[0]] == tmp_path / part and len(set(places.values())) == len(GAMES)
    for fingerprint, folder in places.items():
        assert place(tmp_path, part, fingerprint) == folder
        assert part_of(folder, tmp_path, fingerprint) == part


def test_a_game_keeps_its_folder_when_that_of_another_is_gone(tmp_path):
    fill(tmp_path, fingerprint=GAMES[0])
    second = fill(place(tmp_path, "", GAMES[1]), fingerprint=GAMES[1])
    (tmp_path / "store.json").unlink()
    assert place(tmp_path, "", GAMES[1]) == second


def test_the_stores_of_a_run_are_in_its_folder_utilities(tmp_path):
    stores = fill(tmp_path / "run" / "utilities")
    assert stores_folder(tmp_path / "run") == stores_folder(stores) == stores
    assert stores_folder(tmp_path) == tmp_path
