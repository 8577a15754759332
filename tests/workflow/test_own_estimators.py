"""A user's own estimator: read before anything runs, run where its Protocol is offered, and shown with its card."""

import copy

import pytest
import torch

from cdae.certificates.claims import Claim
from cdae.class_source import _definitions, _imports, _resolved, _tree, methods
from cdae.computing.files import read_record
from cdae.data import load_evaluation_set
from tests.workflow.conftest import ROOT
from tests.workflow.test_check import change
from workflow.grid import cells as grid
from workflow.grid import products
from workflow.grid.check import checked
from workflow.grid.check_own_estimators import RESERVED, TITLES
from workflow.grid.own_code import own_code
from workflow.grid.own_estimators import PROTOCOLS, methods_needed, read
from workflow.grid.provenance import Provenance
from workflow.jobs import evaluation, training
from workflow.tables.cells import read_evaluated
from workflow.tables.certificates import certificates
from workflow.tables.estimators import CARDS, Mark
from workflow.tables.log_likelihood import log_likelihood, per_example_values
from workflow.tables.own_cards import cards_of
from workflow.tables.protocol import card
from workflow.tables.snapshots import snapshots
from workflow.tables.summary import summarize
from workflow.tables.summary_page import sections
from workflow.tables.train_test_gap import train_test_gap

HASHES = {"config_sha256": "a", "code_sha256": "b"}
GOOD = """
import torch
class Mine:
    protocol = "Tractable"
    claim = "no bound"
    title = "Half density"
    sentence = "log p(x) over {parts}"
    options_schema = {"type": "object", "additionalProperties": False,
                      "properties": {"parts": {"type": "integer", "minimum": 1}}}
    def __init__(self, parts): self.parts = parts
    def estimate(self, model, data, *, generator):
        return model.log_prob(data.examples) / self.parts
"""
SETTINGS = {"options": {"parts": 2}, "n_points": 7}


@pytest.fixture
def source(tmp_path, monkeypatch):
    """Write the source of an estimator, and give its import path under the user's home."""
    monkeypatch.setenv("HOME", str(tmp_path))

    def write(text=GOOD):
        (tmp_path / "mine.py").write_text(text)
        forget()
        return f"{tmp_path}/mine.py:Mine"

    yield write
    forget()


def forget():
    """Sources do not change within a process, but here they do."""
    remembering = (_tree, _definitions, _imports, _resolved, methods)
    for function in (*remembering, own_code):
        function.cache_clear()


@pytest.fixture
def own(config, source):
    """The smoke configuration with a control whose density is exact, and the estimator."""
    config["models"]["gaussian"] = {"kind": "control-gaussian", "covariance": "full"}
    config["estimators"]["half"] = {"kind": source(), **copy.deepcopy(SETTINGS)}
    return config


def cell_of(config, model, dataset="mixture_2d"):
    return next(cell for cell in grid.cells(config) if (cell.family, cell.dataset) == (model, dataset))


def evaluated(config, data, tmp_path, name="gaussian"):
    cell, at = cell_of(config, name), {n: tmp_path / n for n in ("w", "s", "t.json", "e.json", "e.npz", "p.npz")}
    w, s, t, e, values, shown = at.values()
    training.run(grid.training_config(config, cell), HASHES, data, w, s, t)
    evaluation.run(grid.evaluation_config(config, cell), HASHES, data, w, t, e, values, shown, tmp_path / "kept")
    return read_evaluated(e)


def test_what_is_right_passes_with_the_home_written_out_and_whole_numbers(own, source, tmp_path):
    own["estimators"]["half"] |= {"kind": "~/mine.py:Mine", "n_points": 7.0}
    found = checked(own)["estimators"]["half"]
    assert found == {"kind": f"{tmp_path}/mine.py:Mine", **SETTINGS} and type(found["n_points"]) is int


def without(name):
    return "\n".join(line for line in GOOD.splitlines() if not line.strip().startswith(f"{name} ="))


@pytest.mark.parametrize(
    ("text", "settings", "expected"),
    [
        (without("protocol"), {}, ["estimators.half.kind", "without protocol, expected one or more of Bounded"]),
        (GOOD.replace('"Tractable"', '"Tractabel"'), {}, ["protocol 'Tractabel'", "did you mean 'Tractable'"]),
        (GOOD.replace('"Tractable"', "()"), {}, ["without protocol", "write protocol ="]),
        (without("claim"), {}, ["estimators.half.kind", "without claim, expected one of 'exact', 'lower bound'"]),
        (GOOD.replace('"no bound"', '"certified"'), {}, ["claim 'certified'", "claim no more than holds"]),
        (without("title"), {}, ["estimators.half.kind", "without title, expected one line of plain text"]),
        (GOOD.replace("Half density", "a | b"), {}, ["title 'a | b'", "plain text"]),
        (GOOD.replace("Half density", "Exact"), {}, ["title 'Exact'", "that of the suite's own columns", "reword"]),
        (without("sentence"), {}, ["without sentence, expected one line"]),
        (GOOD.replace("over {parts}", "over {parts"), {}, ["expected braces in pairs", "close them"]),
        (GOOD.replace("over {parts}", "over {}"), {}, ["expected only {names} of options in braces"]),
        (GOOD.replace("over {parts}", "over {part}"), {}, ["estimators.half.options", "{part} and no such option"]),
        (GOOD.replace('title = "', 'title = str("").join("'), {}, ["half.kind", "is no Python"]),
        (GOOD.replace('"Half density"', "str(1)"), {}, ["title is computed, expected a literal; write its value out"]),
        (GOOD.replace("def estimate", "def estimat"), {}, ["the methods estimat, expected estimate(model, data, *"]),
        (GOOD.replace("class Mine", "class Other"), {}, ["half.kind", "expected a class or a function of", "Other"]),
        (GOOD + '    mark = {"label": "x"}\n', {}, ["mark {'label': 'x'}, expected {'label': text, 'color': 0 to 7}"]),
        (GOOD, {"options": {"parts": 0}}, ["estimators.half.options.parts: got 0, expected at least 1"]),
        (GOOD, {"options": {"prats": 2}}, ["estimators.half.options", "'prats'", "did you mean 'parts'"]),
        (GOOD, {"n_point": 5}, ["estimators.half", "unknown key 'n_point'; did you mean 'n_points'"]),
        (GOOD, {"n_points": 1}, ["estimators.half.n_points: got 1, expected at least 2"]),
        (GOOD.replace("Tractable", "Chained"), {}, ["runs on none of the models", "needs Chained", "lacks"]),
        (GOOD, {"kind": "none.py:Mine"}, ["half.kind: got 'none.py:Mine', expected the path of an existing file"]),
        (GOOD, {"kind": 3}, ["estimators.half.kind: got 3, expected text"]),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(own, source, text, settings, expected):
    source(text)
    del own["models"]["dae-walkback"]
    own["estimators"]["half"] |= settings
    with pytest.raises(ValueError) as caught:
        checked(own)
    assert "\n" not in str(caught.value)
    for part in expected:
        assert part in str(caught.value)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("all", "estimators.all: got the name 'all', expected .* none of all, all_pairs"),
        ("a b", "estimators.a b: got the name 'a b', expected letters"),
        ("lower_bound", "estimators.lower_bound: "),
    ],
)
def test_a_name_that_tables_have_already_is_refused(own, name, expected):
    own["estimators"][name] = own["estimators"].pop("half")
    with pytest.raises(ValueError, match=f"^{expected}"):
        checked(own)


def test_a_misspelt_name_of_ours_is_none_of_a_user(own):
    with pytest.raises(ValueError, match="unknown key 'lower_bond'; did you mean 'lower_bound'"):
        checked(change(own, "estimators.lower_bond", {"n_draws": 2}))


def test_two_with_one_title_are_refused(own):
    own["estimators"]["again"] = copy.deepcopy(own["estimators"]["half"])
    with pytest.raises(ValueError, match=r"estimators.again.kind: .* that of estimators.half"):
        checked(own)


def test_reserved_names_and_titles_are_those_that_tables_have(own):
    in_schema = {"exact", "importance_weighted", "lower_bound", "markov_bound", "parzen"}
    assert {*RESERVED} >= CARDS.keys() - in_schema
    assert all(known.title.startswith(TITLES) for known in CARDS.values() if known.title)


def test_every_protocol_that_can_be_named_is_one_of_ours_with_methods():
    for name in PROTOCOLS:
        assert methods_needed((name,)), name


def test_it_runs_where_its_protocols_are_offered_and_its_settings_stand_there_alone(own):
    having = {c.family for c in grid.cells(own) if "half" in grid.evaluation_config(own, c)["estimators"]}
    assert having == {"gaussian"}
    kinds = {"control-gaussian": True, "vae": False, "examples/factor_analysis.py:FactorAnalysis": True}
    found = read(own["estimators"]["half"]["kind"])
    assert {kind: found.runs_on(kind if ":" not in kind else f"{ROOT}/{kind}") for kind in kinds} == kinds
    for cell in grid.cells(own):
        assert "half" not in grid.snapshots_config(own, cell)["estimators"]


def test_its_file_counts_in_the_evaluation_of_the_cells_that_it_runs_on_and_in_nothing_else(own, source):
    without_it = Provenance(change(own, "estimators.half", None)).of_everything()
    before = Provenance(own).of_everything()
    source(GOOD + "# edited\n")
    after = Provenance(own).of_everything()
    cells = {f"estimates/{dataset}/gaussian/0.json" for dataset in own["datasets"]}
    tables = {"tables/provenance.json", *(f"figures/{dataset}/provenance.json" for dataset in own["datasets"])}
    tables |= {"report/provenance.json", "figures/digits/judged_provenance.json"}
    for other in (without_it, before):
        changed = {path.removeprefix(own["results_dir"] + "/") for path in after if after[path] != other[path]}
        assert changed == cells | tables


def test_its_row_has_its_values_at_the_points_that_all_models_share(own, mixture_2d, tmp_path):
    cell = evaluated(checked(own), mixture_2d, tmp_path)
    row = next(row for row in cell.record.rows if row.estimator == "half")
    assert row.status == "ok" and row.n_points == 7 and row.exact_nats is not None
    at = cell.values["half//indices"]
    data = load_evaluation_set(mixture_2d)
    seed = evaluation.CellJob(grid.evaluation_config(own, cell_of(own, "gaussian"))).subset_seed()
    assert torch.equal(torch.from_numpy(at), data.random_subset(7, seed=seed))
    assert (cell.values["half/"] == cell.values["exact/"][at] / 2).all()


def test_a_number_that_is_no_bound_may_lie_above_the_exact_one_and_a_bound_may_not(own, source, mixture_2d, tmp_path):
    high = GOOD.replace("/ self.parts", "+ 50.0 * self.parts")
    statuses = {}
    for claim in ("no bound", "lower bound"):
        source(high.replace("no bound", claim))
        cell = evaluated(checked(own), mixture_2d, tmp_path)
        row = next(row for row in cell.record.rows if row.estimator == "half")
        statuses[claim] = row.status
        assert row.excess_nats > 50.0
    assert statuses == {"no bound": "ok", "lower bound": "failed"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("import no_such_module\n" + GOOD, "importing it raised ModuleNotFoundError"),
        (GOOD.replace("parts): self", "part): self"), "Mine(**options) raised TypeError"),
        (GOOD.replace("/ self.parts", "/ self.prats"), "estimate raised AttributeError"),
        (GOOD.replace("/ self.parts", ".mean()"), "a Tensor of shape (), expected a tensor of shape (7,)"),
        (GOOD.replace("return model", "yield from ()\n        model"), "estimate yielded nothing"),
        (GOOD.replace("return model", "return [1.0]\n        model"), "returned a float, expected"),
        (GOOD.replace("/ self.parts", "* float('nan')"), "7 of 7 values not finite"),
    ],
)  # fmt: skip
def test_one_that_fails_is_a_row_with_one_line_and_takes_no_other_with_it(
    own, source, mixture_2d, tmp_path, text, expected
):
    source(text)
    cell = evaluated(checked(own), mixture_2d, tmp_path)
    rows = {row.estimator: row for row in cell.record.rows}
    assert rows["half"].status == "failed" and expected in rows["half"].reason and "\n" not in rows["half"].reason
    assert {row.status for name, row in rows.items() if name != "half"} == {"ok"}
    summary = summarize(log_likelihood([cell], cards_of(own["estimators"])), per_example_values([cell]))
    assert (summary.loc[summary["estimator"] == "half", "n_failed"] == 1).all()


def test_a_model_that_was_not_trained_has_a_failed_row_of_it(own, mixture_2d, tmp_path):
    cell = cell_of(own, "gaussian")
    made = evaluation.Evaluation(evaluation.CellJob(grid.evaluation_config(checked(own), cell)), mixture_2d)
    made.fail_all("failed", "no")
    assert [row.estimator for row in made.rows] == ["exact", "parzen", "half"]


def test_tables_show_it_with_its_card(own, mixture_2d, tmp_path):
    config = checked(own)
    cell, cards = evaluated(config, mixture_2d, tmp_path), cards_of(config["estimators"])
    assert list(cards)[: len(CARDS)] == list(CARDS) and cards["half"].claim is Claim.NO_BOUND
    assert not cards["half"].in_bits and cards["half"].competes
    long = log_likelihood([cell], cards)
    assert long.set_index("estimator")["claim"]["half"] == "no bound"
    summary = summarize(long, per_example_values([cell]), cards)
    (section, *_) = sections(summary, snapshots([], []), certificates([], {}), train_test_gap([]), cards)
    assert "Half density" in section.table.columns and list(section.table.columns)[-1] == "Half density"
    said = card(config, [cell.record], [], [])
    assert (
        "`half`: log p(x) over 2, on at most 7 random test points; a user's own estimator, mine.py:Mine "
        "(claim: no bound)" in said
    )


def test_bits_per_dimension_are_given_for_densities_unless_the_class_says_otherwise(source):
    for text, expected in (
        (GOOD, False), (GOOD.replace("no bound", "exact"), True), (GOOD + "    in_bits = True\n", True),
    ):  # fmt: skip
        assert read(source(text)).in_bits is expected


def test_marks_of_curves_are_those_that_classes_have(own, source):
    assert products.marks(own) == {}
    source(GOOD + '    mark = {"label": "my half", "color": 3}\n')
    assert products.marks(own) == {"half": ("my half", 3)}
    assert cards_of(own["estimators"])["half"].marks[""] == Mark("my half", 3)


def test_the_record_of_a_run_is_plain_json(own, mixture_2d, tmp_path):
    evaluated(checked(own), mixture_2d, tmp_path)
    rows = {row["estimator"] for row in read_record(tmp_path / "e.json")["rows"]}
    assert rows == {"exact", "parzen", "half"}
