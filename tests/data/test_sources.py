"""Sources: published sets are read as published, a bad file is refused in one sentence."""

import gzip
import inspect
import struct
import types
import typing

import numpy as np
import pytest
from sklearn.datasets import load_digits

from fedjax_shap._validate import InvalidInputError
from fedjax_shap.data import sources
from fedjax_shap.data.federate import federate
from fedjax_shap.data.files import idx, libsvm
from fedjax_shap.data.partition import PARTITIONS
from fedjax_shap.data.sources import SOURCES, load

PLAIN = {int, float, str, bool, types.NoneType, tuple[str, ...], dict[str, str]}
# what is said about small tables is tested in test_own_csv.py
pytestmark = pytest.mark.filterwarnings("ignore::fedjax_shap._validate.InputWarning")
TABLE = """site,age,colour,sick
north,10,red,yes
south,20,blue,no
north,30,red,no
east,40,green,yes
east,50,"blue",no
south,60,red,yes
"""


def refusal(name, **keywords):
    """The sentence with which a source refuses."""
    with pytest.raises(InvalidInputError) as raised:
        load(name, **keywords)
    sentence = str(raised.value)
    assert sentence.startswith("Expected ") and sentence.endswith(".") and "\n" not in sentence
    return sentence


def sound(pool):
    """What every pool promises."""
    for x, y in ((pool.x, pool.y), pool.test):
        assert x.dtype == np.float32 and y.dtype == np.int32 and len(x) == len(y) > 0
        assert x.shape[1:] == pool.x.shape[1:] and np.isfinite(x).all()
        assert y.min() >= 0 and y.max() < pool.num_classes
    assert all(len(cells) == pool.num_rows for cells in pool.columns.values())
    assert pool.natural is None or pool.natural in pool.columns
    return pool


def plain_types(annotation):
    """The types that an annotation allows, those of the literal values it lists among them."""
    if typing.get_origin(annotation) is typing.Literal:
        return {type(value) for value in typing.get_args(annotation)}
    if typing.get_origin(annotation) in (types.UnionType, typing.Union):
        return set().union(*map(plain_types, typing.get_args(annotation)))
    return {annotation}


def idx_bytes(array):
    return (
        bytes((0, 0, 8, array.ndim))
        + struct.pack(f">{array.ndim}I", *array.shape)
        + array.tobytes()
    )


@pytest.fixture
def small_mnist(tmp_path):
    """The four files of MNIST with 40 and 20 random images, the training images gzipped."""
    rng = np.random.default_rng(0)
    for part, count in (("train", 40), ("t10k", 20)):
        images = idx_bytes(rng.integers(0, 256, (count, 28, 28), dtype=np.uint8))
        gz = part == "train"
        name = f"{part}-images-idx3-ubyte" + ".gz" * gz
        (tmp_path / name).write_bytes(gzip.compress(images) if gz else images)
        (tmp_path / f"{part}-labels.idx1-ubyte").write_bytes(
            idx_bytes((np.arange(count) % 10).astype(np.uint8))
        )
    return tmp_path


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "own.csv"
    path.write_text(TABLE)
    return path


@pytest.mark.parametrize("name", SOURCES)
def test_a_source_tells_itself_in_one_sentence_and_takes_plain_keywords(name):
    first = (inspect.getdoc(SOURCES[name]) or "").splitlines()[0]
    assert first.endswith(".") and ". " not in first
    for setting in inspect.signature(SOURCES[name]).parameters.values():
        kinds = plain_types(setting.annotation)
        assert setting.kind is setting.KEYWORD_ONLY and kinds <= PLAIN, setting


@pytest.mark.parametrize("name", ["digits", "breast_cancer"])
def test_sets_that_come_with_scikit_learn_are_split_by_the_seed(name):
    pool, again, other = (sound(load(name, test_fraction=0.2, seed=seed)) for seed in (0, 0, 1))
    total = {"digits": 1797, "breast_cancer": 569}[name]
    assert len(pool.test[1]) == round(0.2 * total) and pool.num_rows == total - round(0.2 * total)
    np.testing.assert_array_equal(pool.x, again.x)
    assert not np.array_equal(pool.x, other.x)
    shares = [np.bincount(y) / len(y) for y in (pool.y, pool.test[1])]
    np.testing.assert_allclose(*shares, atol=0.01)


def test_digits_are_those_that_scikit_learn_gives(monkeypatch):
    x, y = load_digits(return_X_y=True)
    read = sources._table_of_digits()
    monkeypatch.setattr(sources, "find_spec", lambda name: None)
    for table in (read, sources._table_of_digits()):
        np.testing.assert_array_equal(table[:, :-1], x)
        np.testing.assert_array_equal(table[:, -1], y)


def test_digits_are_scaled_to_one_and_can_be_images():
    flat = load("digits")
    image = load("digits", image=True)
    assert flat.x.shape[1:] == (64,) and image.x.shape[1:] == (8, 8, 1)
    assert flat.x.min() == 0 and flat.x.max() == 1
    np.testing.assert_array_equal(flat.x, image.x.reshape(-1, 64))


def test_breast_cancer_is_standardised_by_its_training_rows():
    pool = load("breast_cancer")
    np.testing.assert_allclose(pool.x.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(pool.x.std(axis=0), 1, atol=1e-5)
    assert np.abs(pool.test[0].mean(axis=0)).max() > 1e-3


def test_mnist_is_the_published_set_and_draws_the_pool_of_the_five_settings(data_folder):
    pool = sound(load("mnist", folder=str(data_folder), balanced=True, flat=True))
    assert (
        np.bincount(pool.y).tolist() == [5421] * 10
        and np.bincount(pool.test[1]).tolist() == [892] * 10
    )
    assert pool.x.shape == (54210, 784) and pool.x.min() == 0 and pool.x.max() == 1


def test_fashion_mnist_is_the_published_set(data_folder):
    pool = sound(load("fashion_mnist", folder=str(data_folder), test_limit=100))
    assert pool.x.shape == (60000, 28, 28, 1) and np.bincount(pool.y).tolist() == [6000] * 10
    assert (
        abs(pool.x.mean(dtype=np.float64) - 0.2860) < 1e-4
    )  # the mean that everyone normalises by
    assert len(pool.test[1]) == 100


def test_heart_disease_is_flambys_split_of_four_hospitals(data_folder):
    pool = sound(load("heart_disease", folder=str(data_folder)))
    assert pool.x.shape == (486, 13) and pool.test[0].shape == (254, 13)
    np.testing.assert_allclose(pool.x.mean(axis=0), 0, atol=1e-5)
    data = federate(pool, PARTITIONS["by_column"](), seed=0)
    assert data.names == ("Cleveland", "Hungary", "Switzerland", "VA")
    assert data.sizes.tolist() == [199, 172, 30, 85]
    centers, counts = np.unique(pool.notes["test_center"], return_counts=True)
    assert centers.tolist() == list(data.names) and counts.tolist() == [104, 89, 16, 45]
    assert pool.test_columns["center"].tolist() == pool.notes["test_center"].tolist()


def test_each_hospital_can_be_normalised_by_itself_or_not_at_all(data_folder):
    own = sound(load("heart_disease", folder=str(data_folder), normalise="per_client"))
    raw = sound(load("heart_disease", folder=str(data_folder), normalise="none"))
    for hospital in np.unique(own.columns["center"]):
        rows = own.columns["center"] == hospital
        np.testing.assert_allclose(own.x[rows].mean(axis=0), 0, atol=1e-5)
        tested = own.notes["test_center"] == hospital
        varied = raw.x[rows].std(axis=0) > 0
        expected = (raw.test[0][tested] - raw.x[rows].mean(axis=0)) / np.where(
            varied, raw.x[rows].std(axis=0), 1
        )
        np.testing.assert_allclose(own.test[0][tested], expected, atol=1e-4)
    assert raw.x[0, :3].tolist() == [63, 1, 145]


def test_adult_and_a9a_are_the_same_people(data_folder):
    adult, a9a = (sound(load(name, folder=str(data_folder))) for name in ("adult", "a9a"))
    assert adult.x.shape == (32561, 108) and adult.test[0].shape == (16281, 108)
    assert (
        a9a.x.shape == (32561, 123)
        and a9a.test[0].shape == (16281, 123)
        and set(np.unique(a9a.x)) == {0, 1}
    )
    np.testing.assert_array_equal(adult.y, a9a.y)
    np.testing.assert_array_equal(adult.test[1], a9a.test[1])
    assert adult.y.sum() == 7841 and adult.natural is None
    assert {"education", "workclass", "native-country", "sex", "race"} <= adult.columns.keys()
    features = adult.notes["features"]
    assert len(features) == 108 and "occupation=?" in features
    women = adult.x[:, features.index("sex=Female")] == 1
    np.testing.assert_array_equal(women, adult.columns["sex"] == "Female")
    clients = PARTITIONS["by_column"](column="education")(np.random.default_rng(0), adult)
    assert len(clients.names) == 16 and sum(map(len, clients.rows)) == 32561


def test_flce_comes_with_its_clients_and_the_published_values(data_folder):
    pool = sound(load("flce", folder=str(data_folder)))
    data = federate(pool, PARTITIONS["by_column"](), seed=0)
    assert data.sizes.tolist() == [2, 208, 169, 276, 4, 98, 86, 19] and len(pool.test[1]) == 96
    published = pool.notes["exact_shapley"]
    assert published.shape == (8,) and abs(published[3] - 0.17715774) < 1e-8
    assert np.argmax(published) == np.argmax(np.asarray(data.sizes))
    held = np.load(data_folder / "flce" / "tictactoe_quantity_6694.npz")
    np.testing.assert_array_equal(data.client(4)[0], held["x_4"])
    assert load("flce", folder=str(data_folder), task="tictactoe_label", seed=6699).num_rows == 861


def test_the_folder_of_data_sets_can_come_from_the_environment(small_mnist, monkeypatch):
    monkeypatch.setenv("FEDJAX_SHAP_DATA", str(small_mnist))
    pool = sound(load("mnist"))
    assert pool.x.shape == (40, 28, 28, 1) and pool.y.tolist() == [*range(10)] * 4
    monkeypatch.delenv("FEDJAX_SHAP_DATA")
    assert "FEDJAX_SHAP_DATA" in refusal("mnist") and "--data" in refusal("a9a")


def test_a_limit_draws_rows_by_the_seed(small_mnist):
    keywords = {"folder": str(small_mnist), "train_limit": 20}
    pool, again, other = (load("mnist", seed=seed, **keywords) for seed in (0, 0, 1))
    np.testing.assert_array_equal(pool.x, again.x)
    assert len(pool.y) == 20 and len(pool.test[1]) == 20 and not np.array_equal(pool.x, other.x)
    assert np.bincount(load("mnist", balanced=True, **keywords).y).tolist() == [2] * 10
    assert "train_limit=41" in refusal("mnist", folder=str(small_mnist), train_limit=41)
    assert "multiple of 10" in refusal(
        "mnist", folder=str(small_mnist), train_limit=25, balanced=True
    )


@pytest.mark.parametrize(
    ("name", "keywords", "file", "origin"),
    [
        ("mnist", {}, "train-images-idx3-ubyte", "yann.lecun.com"),
        ("fashion_mnist", {}, "train-images-idx3-ubyte", "zalandoresearch"),
        ("heart_disease", {}, "flamby_split_features.csv", "UCI"),
        ("adult", {}, "adult.data", "UCI"),
        ("a9a", {}, "a9a", "LIBSVM"),
        ("flce", {"seed": 1}, "tictactoe_quantity_1.npz", "FLCE"),
        ("bank_marketing", {}, "bank-full.csv", "dataset/222"),
        ("credit_default", {}, "UCI_Credit_Card.csv", "dataset/350"),
        ("beijing_air", {}, "PRSA_Data_Aotizhongxin_20130301-20170228.csv", "dataset/501"),
        ("parkinsons", {}, "parkinsons_updrs.data", "dataset/189"),
        ("landmine", {}, "LandmineData.mat", "JMLR"),
        ("wisdm", {}, "WISDM_ar_v1.1_transformed.arff", "WISDM Lab"),
        ("tcga_brca", {}, "brca.csv", "FLamby"),
        ("tinyshakespeare", {}, "input.txt", "char-rnn"),
    ],
)
def test_a_missing_file_is_named_with_all_places_and_its_origin(
    name, keywords, file, origin, tmp_path
):
    sentence = refusal(name, folder=str(tmp_path), **keywords)
    assert all(part in sentence for part in (file, str(tmp_path / name), f"or {tmp_path};", origin))


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda raw: gzip.compress(raw)[:-20], "to be readable"),
        (lambda raw: gzip.compress(raw)[:10] + b"\xff" * 50, "to be readable"),
        (lambda raw: raw[:-1], r"to hold 31376 bytes for its shape \(40, 28, 28\), got 31375"),
        (lambda raw: raw + b"\0", "got 31377"),
        (lambda raw: raw[:9], "bytes for its shape"),
        (lambda raw: b"\x89PNG" + raw[4:], "magic number 0x00000803, got 0x89504e47"),
        (lambda raw: b"", "magic number"),
    ],
)
def test_a_damaged_idx_file_is_named_with_what_is_wrong(damage, said, tmp_path):
    path = tmp_path / "images"
    path.write_bytes(damage(idx_bytes(np.zeros((40, 28, 28), np.uint8))))
    with pytest.raises(InvalidInputError, match=said) as raised:
        idx(path, dimensions=3)
    assert str(path) in str(raised.value)


def test_images_and_labels_that_disagree_are_refused(small_mnist):
    labels = small_mnist / "t10k-labels.idx1-ubyte"
    labels.write_bytes(idx_bytes(np.zeros(19, np.uint8)))
    assert f"Expected {labels} to hold a label for each of 20 images, got 19." == refusal(
        "mnist", folder=str(small_mnist)
    )
    labels.write_bytes(idx_bytes(np.full(20, 10, np.uint8)))
    assert "labels, each of them in 0..9" in refusal("mnist", folder=str(small_mnist))


def test_libsvm_lines_are_rows_and_a_bad_one_is_named(tmp_path):
    path = tmp_path / "rows"
    path.write_text("-1 1:0.5 3:2 \n\n+1 2:1\n")
    x, y = libsvm(path, num_features=3)
    assert x.tolist() == [[0.5, 0, 2], [0, 1, 0]] and y.tolist() == [-1, 1]
    for line, said in (
        ("+1 4:1", "index 4"),
        ("+1 0:1", "index 0"),
        ("+1 a", "a"),
        ("x 1:1", "x"),
        ("1 1:nan", "finite"),
    ):
        path.write_text(f"-1 1:1\n{line}\n")
        with pytest.raises(InvalidInputError, match=said):
            libsvm(path, num_features=3)


@pytest.mark.parametrize("packed", [False, True])
def test_a_table_of_ones_own_becomes_features_labels_and_clients(table, packed):
    if packed:
        table.write_bytes(gzip.compress(table.read_bytes()))
    pool = sound(
        load("csv", path=str(table), label="sick", client="site", test_fraction=1 / 3, seed=4)
    )
    assert pool.num_rows == 4 and len(pool.test[1]) == 2 and pool.notes["labels"] == ("no", "yes")
    assert pool.natural == "site" and set(pool.columns) == {"site", "age", "colour"}
    features = pool.notes["features"]
    assert features[0] == "age" and {f.split("=")[0] for f in features[1:]} == {"colour"}
    np.testing.assert_allclose([pool.x[:, 0].mean(), pool.x[:, 0].std()], [0, 1], atol=1e-6)
    for kind in np.unique(pool.columns["colour"]):
        one_hot = pool.x[:, features.index(f"colour={kind}")]
        np.testing.assert_array_equal(one_hot, pool.columns["colour"] == kind)


def test_a_column_can_say_which_rows_are_the_test_set(table):
    held = ["split", *["train"] * 4, "test", "test"]
    table.write_text("\n".join(f"{line},{cell}" for line, cell in zip(TABLE.splitlines(), held)))
    pool = sound(load("csv", path=str(table), label="sick", test_column="split"))
    assert (
        pool.y.tolist() == [1, 0, 0, 1] and pool.test[1].tolist() == [0, 1] and pool.natural is None
    )
    ages = np.array([10, 20, 30, 40])
    first = pool.notes["features"].index("age")
    np.testing.assert_allclose(
        pool.test[0][:, first], (np.array([50, 60]) - 25) / ages.std(), rtol=1e-6
    )
    assert "site=east" in pool.notes["features"] and not any(
        "split" in name for name in pool.notes["features"]
    )


def test_a_category_that_no_training_row_has_is_all_zeros_in_the_test_set(tmp_path):
    path = tmp_path / "own.csv"
    path.write_text("kind,y,split\na,0,train\nb,1,train\nc,1,test\n")
    pool = load("csv", path=str(path), label="y", test_column="split")
    assert pool.notes["features"] == ["kind=a", "kind=b"] and pool.test[0].tolist() == [[0, 0]]


@pytest.mark.parametrize(
    ("change", "keywords", "said"),
    [
        (("20,blue", "20"), {}, "line 3 of {path} to have 4 cells, but it has 3"),
        (("20,", ","), {}, "column 'age' of line 3 is ''"),
        (("30,", "NaN,"), {}, "column 'age' of line 4 is 'NaN'"),
        (("red,no", ",no"), {}, "column 'colour' of line 4 is ''"),
        (("30,", "?,"), {}, "line 4 holds '?'"),
        (("30,", "inf,"), {}, "line 4 holds 'inf'"),
        (("colour", "age"), {}, "to name each column once"),
        (('"blue"', '"blue'), {}, "to be separated by ','"),
        (("yes", "no"), {}, "at least two classes"),
        (("", ""), {"label": "sik"}, "label='sik' to be a known name; did you mean 'sick'?"),
        (("", ""), {"client": "town"}, "client='town'"),
        (("", ""), {"client": "sick"}, "to differ"),
        (("", ""), {"test_column": "site"}, "a cell of column 'site' of {path}='east'"),
        (("", ""), {"test_fraction": 0.01}, "test_fraction=0.01"),
        (("", ""), {"label": "age", "seed": -1}, "seed=-1"),
        (("50", "5.5"), {"label": "age"}, "column 'age' of {path} to be classes"),
        (("", ""), {"path": "nowhere.csv"}, "path='nowhere.csv' to be a file"),
    ],
)
def test_a_table_that_cannot_be_used_is_refused_by_line_and_column(change, keywords, said, table):
    old, new = change
    if old:
        table.write_text(TABLE.replace(old, new))
    assert said.format(path=table) in refusal(
        "csv", **{"path": str(table), "label": "sick", **keywords}
    )


def test_a_table_without_rows_or_of_other_bytes_is_refused(table):
    for raw, said in ((b"", "it is empty"), (b"a,b\n", "rows below"), (b"a,b\n\xff,1\n", "UTF-8")):
        table.write_bytes(raw)
        assert said in refusal("csv", path=str(table), label="a")


def test_arrays_of_ones_own_are_taken_with_their_clients_and_their_test_set(tmp_path):
    rng = np.random.default_rng(0)
    x = rng.random((12, 2, 3))
    y = np.array([3, 5, 7] * 4)
    client = np.arange(12) % 2
    path = str(tmp_path / "own.npz")
    np.savez(path, x=x, y=y, client=client, test_x=x[:3], test_y=y[:3])
    pool = sound(load("npz", path=path))
    np.testing.assert_array_equal(pool.x, x.astype(np.float32))
    assert (
        pool.y.tolist() == [0, 1, 2] * 4
        and pool.natural == "client"
        and pool.test[1].tolist() == [0, 1, 2]
    )
    np.savez(path, x=x, y=y)
    drawn = sound(load("npz", path=path, test_fraction=0.25))
    assert (
        drawn.num_rows == 9
        and sorted(drawn.test[1].tolist()) == [0, 1, 2]
        and drawn.natural is None
    )


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"x": np.zeros((3, 2))}, "['y'] are not in it"),
        ({"x": np.zeros((3, 2)), "y": np.arange(4)}, "a row for each of y"),
        ({"x": np.zeros((3, 2)), "y": np.arange(3), "client": np.arange(2)}, "client"),
        ({"x": np.full((3, 2), np.nan), "y": np.arange(3)}, "to be finite"),
        ({"x": np.full((3, 2), 1e39), "y": np.arange(3)}, "to be finite"),
        ({"x": np.array([["a"], ["b"]]), "y": np.arange(2)}, "real numbers"),
        ({"x": np.zeros((3, 2)), "y": np.arange(3) / 2}, "classes (words or whole numbers)"),
        (
            {"x": np.zeros((3, 2)), "y": np.arange(3), "test_x": np.zeros((1, 2))},
            "test_x and test_y, or neither",
        ),
        (
            {
                "x": np.zeros((3, 2)),
                "y": np.arange(3),
                "test_x": np.zeros((1, 5)),
                "test_y": np.arange(1),
            },
            "rows of test_x",
        ),
        ({"x": np.array([None, 1], object), "y": np.arange(2)}, "npz file of plain arrays"),
    ],
)
def test_arrays_that_cannot_be_used_are_refused(arrays, said, tmp_path):
    path = str(tmp_path / "own.npz")
    np.savez(path, **arrays)
    assert said in refusal("npz", path=path)


def test_a_damaged_npz_file_is_refused(tmp_path):
    path = tmp_path / "own.npz"
    np.savez_compressed(path, x=np.random.default_rng(0).random((30, 2)), y=np.arange(30))
    whole = path.read_bytes()
    for raw in (whole[:-30], b"", b"nothing", whole[:200] + bytes(40) + whole[240:]):
        path.write_bytes(raw)
        assert "npz file of plain arrays" in refusal("npz", path=str(path))


def test_an_unknown_source_or_setting_is_refused_with_the_nearest_name():
    assert "did you mean 'digits'" in refusal("digit")
    assert "did you mean 'test_fraction'" in refusal("digits", test_fracton=0.1)
    assert "to be given path, label" in refusal("csv")
