"""What every registered predictor must do."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.fast import fast_only
from vitnas.errors import DataError, InvalidArchError, SearchError, VitnasError
from vitnas.files import KEY
from vitnas.predictors import PREDICTORS, Predictor, load_predictor
from vitnas.predictors.learned import LearnedPredictor
from vitnas.predictors.metrics import compare, kendall
from vitnas.search_spaces import SPACES, Task, load_space

SPACE = load_space("autoformer-mini")
CODES = np.unique(SPACE.genome.sample(160, np.random.default_rng(0)), axis=0)


SINGLE = 1e-3
"""Some predict in single precision, whose last digits depend on how many are predicted at once."""


def score(codes):
    """Depth times width, less a little for each wide block: neither additive nor noisy."""
    on = np.maximum(codes, 0)
    return 0.5 + 0.05 * on[:, 0] * on[:, 1] + 0.02 * on[:, 1] - 0.01 * on[:, 2:].sum(axis=1)


@pytest.fixture(scope="module", params=fast_only(PREDICTORS.names(), ("gp", "ridge", "trees")))
def new(request):
    return lambda space=SPACE: PREDICTORS.load(request.param)(space)


@pytest.fixture(scope="module")
def fitted(new) -> Predictor:
    return new().fit(CODES[:100], score(CODES[:100]))


def test_name_is_that_of_the_registry():
    assert [PREDICTORS.load(name).name for name in PREDICTORS] == PREDICTORS.names()


def test_ranks_archs_it_has_not_seen(fitted):
    held_out = CODES[100:]
    assert kendall(fitted.predict(held_out).mean, score(held_out)) > 0.6


def test_batch_equals_single(fitted):
    batch = fitted.predict(CODES)
    single = [fitted.predict(CODES[i : i + 1]) for i in range(len(CODES))]
    np.testing.assert_allclose(batch.mean, [p.mean[0] for p in single], atol=SINGLE * batch.mean.std())
    np.testing.assert_allclose(batch.std, [p.std[0] for p in single], atol=SINGLE * batch.mean.std())


def test_archs_and_their_codes_are_the_same(new, fitted):
    again = new().fit(SPACE.decode(CODES[:100]), score(CODES[:100]))
    np.testing.assert_array_equal(again.predict(SPACE.decode(CODES)).mean, fitted.predict(CODES).mean)


def test_std_is_positive_and_wider_away_from_what_was_seen(new):
    shallow = CODES[CODES[:, 1] == 0]
    deep = CODES[CODES[:, 1] == 3]
    predictor = new().fit(shallow, score(shallow))
    assert (predictor.predict(shallow).std > 0).all()
    assert predictor.predict(deep).std.mean() > predictor.predict(shallow).std.mean()


def test_a_large_population_is_predicted_in_pieces_alike(fitted):
    many = SPACE.genome.sample(20_000, np.random.default_rng(1))
    whole, part = fitted.predict(many), fitted.predict(many[7000:7010])
    assert whole.mean.shape == whole.std.shape == (20_000,)
    np.testing.assert_allclose(whole.mean[7000:7010], part.mean, atol=SINGLE * whole.mean.std())


def test_no_archs_give_no_predictions(fitted):
    assert fitted.predict(SPACE.genome.empty(0)).mean.shape == (0,)


def test_refit_forgets(new):
    again = new().fit(CODES[50:], score(CODES[50:])).fit(CODES[:50], score(CODES[:50]))
    once = new().fit(CODES[:50], score(CODES[:50]))
    np.testing.assert_array_equal(again.predict(CODES).mean, once.predict(CODES).mean)


def test_saved_and_loaded_elsewhere_predict_the_same(tmp_path):
    here = {}
    for name in PREDICTORS:
        fitted = PREDICTORS.load(name)(SPACE).fit(CODES[:30], score(CODES[:30]))
        fitted.save(tmp_path / "deep" / name)
        here[name] = fitted.predict(CODES)
    program = (
        "import sys, json, numpy as np; from pathlib import Path\n"
        "from vitnas.predictors import load_predictor; from vitnas.search_spaces import load_space\n"
        "space = load_space('autoformer-mini')\n"
        "codes = np.unique(space.genome.sample(160, np.random.default_rng(0)), axis=0)\n"
        "found = {p.name: load_predictor(p, space).predict(codes) for p in Path(sys.argv[1]).iterdir()}\n"
        "print(json.dumps({name: [p.mean.tolist(), p.std.tolist()] for name, p in found.items()}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "deep")], capture_output=True, text=True, check=True
    )
    there = json.loads(done.stdout)
    assert set(there) == set(PREDICTORS)
    for name, prediction in here.items():
        np.testing.assert_allclose(there[name], [prediction.mean, prediction.std], rtol=1e-6)


def test_file_of_another_space_is_refused(fitted, tmp_path):
    path = tmp_path / "p.safetensors"
    fitted.save(path)
    for other in (SPACE.restrict(depth=(3, 4)), load_space("autoformer-mini", Task(8, 3, 1)), load_space("deit")):
        with pytest.raises(DataError, match="was fitted on space 'autoformer-mini'"):
            type(fitted).load(path, other)


@pytest.mark.parametrize("content", [b"", b"garbage", b"\x08\0\0\0\0\0\0\0{}      "])
def test_damaged_file_is_refused(new, tmp_path, content):
    path = tmp_path / "p.safetensors"
    path.write_bytes(content)
    with pytest.raises(DataError, match="no predictor that vitnas wrote"):
        type(new()).load(path, SPACE)
    with pytest.raises(DataError, match="does not exist"):
        type(new()).load(tmp_path / "missing", SPACE)


def test_cut_file_is_refused(fitted, tmp_path):
    path = tmp_path / "p.safetensors"
    fitted.save(path)
    whole = path.read_bytes()
    for keep in range(0, len(whole) - 1, max(1, len(whole) // 20)):
        path.write_bytes(whole[:keep])
        with pytest.raises(DataError):
            type(fitted).load(path, SPACE)


@pytest.mark.parametrize(
    ("codes", "scores", "message"),
    [
        (CODES[:3], [1.0, 2.0, 3.0], "3 distinct archs are too few"),
        (np.repeat(CODES[:3], 10, axis=0), range(30), "3 distinct archs are too few"),
        (CODES[:0], [], "0 distinct archs are too few"),
        (CODES[:9], [0.5] * 9, "nothing to learn"),
        (CODES[:9], [0.5, np.nan, *[0.1] * 7], "score 1 is nan"),
        (CODES[:9], [*[0.1] * 8, np.inf], "score 8 is inf"),
        (CODES[:9], [0.5] * 8, "one score for each of 9 archs"),
        (CODES[:9], np.ones((9, 2)), "one score for each of 9 archs"),
        (CODES[:9, :5], range(9), "must have shape"),
        (CODES[0], range(9), "must have shape"),
        (CODES[:9] + 5, range(9), "no arch of the space"),
        (CODES[:9].astype(float), range(9), "must be integers"),
        ([*SPACE.decode(CODES[:8]), load_space("deit").smallest()], range(9), "deit"),
    ],
)
def test_degenerate_data_is_refused(new, codes, scores, message):
    with pytest.raises(VitnasError, match=message):
        new().fit(codes, list(scores) if isinstance(scores, range) else scores)


def test_population_of_another_space_is_refused(fitted):
    other = load_space("deit")
    with pytest.raises(InvalidArchError):
        fitted.predict(other.encode([other.smallest()]))


def test_unfitted_is_refused(new, tmp_path):
    with pytest.raises(SearchError, match="call fit first"):
        new().predict(CODES)
    with pytest.raises(SearchError, match="call fit first"):
        new().save(tmp_path / "p")


def test_constant_offset_and_scale_of_scores_change_nothing(new):
    plain = new().fit(CODES[:60], score(CODES[:60])).predict(CODES)
    moved = new().fit(CODES[:60], 1000 * score(CODES[:60]) - 7).predict(CODES)
    np.testing.assert_allclose(moved.mean, 1000 * plain.mean - 7, atol=0.02 * moved.mean.std())
    np.testing.assert_allclose(moved.std, 1000 * plain.std, rtol=0.05)


def test_every_fit_reports_on_archs_it_had_not_seen(new, fitted):
    if not isinstance(fitted, LearnedPredictor):
        pytest.skip("a predictor of another package, without held-out predictions")
    unseen = compare(fitted.predict(CODES[100:]), score(CODES[100:]))
    assert fitted.report.num_archs == 100
    assert abs(fitted.report.kendall - unseen.kendall) < 0.1
    assert fitted.report.warning is None
    shuffled = np.random.default_rng(1).permutation(score(CODES))
    noise = new().fit(CODES, shuffled)
    assert abs(noise.report.kendall) < 0.3
    assert noise.report.mae > fitted.report.mae


def test_intervals_hold_nine_in_ten(new):
    inside = []
    for seed in range(2):
        rng = np.random.default_rng(seed)
        order = rng.permutation(len(CODES))
        y = score(CODES) + 0.1 * rng.normal(size=len(CODES))
        seen, left = order[:100], order[100:]
        inside.append(new().fit(CODES[seen], y[seen]).predict(CODES[left]).covered(y[left]))
    assert 0.8 < np.mean(inside) < 0.99


def test_what_was_read_back_says_the_same_and_learns_again(fitted, tmp_path):
    path = tmp_path / "p.safetensors"
    fitted.save(path)
    again = load_predictor(path, SPACE)
    assert type(again) is type(fitted)
    np.testing.assert_allclose(again.predict(CODES).mean, fitted.predict(CODES).mean, rtol=1e-6)
    if isinstance(fitted, LearnedPredictor):
        assert again.report == fitted.report
    again.fit(CODES[:40], score(CODES[:40]))
    again.save(path)


def test_a_file_that_would_be_read_differently_is_refused(fitted, tmp_path):
    from safetensors import safe_open
    from safetensors.numpy import save_file

    path = tmp_path / "p.safetensors"
    fitted.save(path)
    with safe_open(path, framework="numpy") as file:
        arrays, header = {name: file.get_tensor(name) for name in file.keys()}, file.metadata()  # noqa: SIM118
    told = json.loads(header["vitnas"])
    without_seal = {"vitnas": json.dumps({name: what for name, what in told.items() if name != KEY})}
    save_file({**arrays, "probe.mean": arrays["probe.mean"] + 1.0}, path, without_seal)
    with pytest.raises(DataError, match="reads archs differently"):
        load_predictor(path, SPACE)
    save_file(arrays, path, {"vitnas": without_seal["vitnas"].replace("vitnas-predictor/", "vitnas-predictor/9")})
    with pytest.raises(DataError, match="this version reads"):
        load_predictor(path, SPACE)


def test_fits_another_space(new):
    fits(new, "deit")


@pytest.mark.nightly
def test_fits_every_builtin_space(new):
    for name in SPACES:
        fits(new, name)


def fits(new, name):
    space = load_space(name)
    codes = np.unique(space.genome.sample(60, np.random.default_rng(0)), axis=0)
    if len(codes) >= 4:
        y = np.random.default_rng(1).random(len(codes))
        assert np.isfinite(new(space).fit(codes, y).predict(codes).mean).all()


def test_needs_no_torch():
    program = (
        "import sys, numpy as np; from vitnas.predictors import PREDICTORS; from vitnas.search_spaces import load_space\n"
        "s = load_space('autoformer-mini'); c = s.genome.sample(20, np.random.default_rng(0))\n"
        "PREDICTORS.load('ridge')(s).fit(c, np.arange(20.)).predict(c)\n"
        "assert not {'torch', 'ray', 'pandas'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=Path(__file__).parent)
