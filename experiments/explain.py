"""Show why a trained model answers as it does.

python -m experiments.explain --workdir=DIR --head=ENTITY --relation=RELATION [--tail=ENTITY]
python -m experiments.explain --workdir=DIR --relation=RELATION --tail=ENTITY
python -m experiments.explain --workdir=DIR --rules
python -m experiments.explain --workdir=DIR --ratings=FILE [--item=ITEM]

For a query on a graph: the paths that lead to the best answers, or to the given one. For --rules:
the rules that the model's paths are instances of, with what the graph says of them. For a user's
ratings: the modulation that was found, and which ratings weigh most. Pictures and the same as JSON
go to a folder.
"""

from __future__ import annotations

from pathlib import Path

from absl import flags

from kapl_jax.errors import UserError
from kapl_jax.explain.digraph_pictures import reasoning_pictures
from kapl_jax.explain.reasoning_text import reasoning_text
from kapl_jax.explain.rule_text import rules_text
from kapl_jax.explain.user_explanation import explanation_pictures, explanation_text
from kapl_jax.methods.queries import query_to_explain
from kapl_jax.methods.registry import load_explainer, load_recommender
from kapl_jax.runs.files import write_bytes, write_json
from kapl_jax.runs.program import print_warnings, refuse_arguments, refuse_beside, run_program
from kapl_jax.runs.run_directory import Run, read_run

_WORKDIR = flags.DEFINE_string("workdir", None, "Run directory of a finished run.")
_DATA_DIR = flags.DEFINE_string("data_dir", "", "Folder of registered data, as for the run.")
_HEAD = flags.DEFINE_string("head", None, "Head entity of a query.")
_RELATION = flags.DEFINE_string("relation", None, "Relation of a query.")
_TAIL = flags.DEFINE_string("tail", None, "Tail entity: the answer to explain, or what is known.")
_TOP = flags.DEFINE_integer("top", 3, "Answers to explain.", lower_bound=1)
_RULES = flags.DEFINE_bool("rules", False, "Show the rules of the model's paths.")
_ANSWERS = flags.DEFINE_integer(
    "explained_answers", 1000, "Right validation answers whose paths make rules.", lower_bound=1
)
_RATINGS = flags.DEFINE_string("ratings", None, "CSV of a user's ratings: header item,rating.")
_USER_FEATURES = flags.DEFINE_string(
    "user_features", "", "What is known of the user: field=value,field=value."
)
_ITEM = flags.DEFINE_string("item", None, "Item to explain; by default the best one.")
_OUT = flags.DEFINE_string("out", "", "Folder of pictures and JSON; by default WORKDIR/explain.")


def main(argv: list[str]) -> None:
    """Explain what the flags ask about."""
    refuse_arguments(argv)
    if not _WORKDIR.value:
        raise UserError("--workdir: missing, expected the run directory of a finished run")
    run = read_run(_WORKDIR.value)
    folder = Path(_OUT.value) if _OUT.value else Path(_WORKDIR.value) / "explain"
    if _RULES.value:
        refuse_beside(_RULES, _HEAD, _RELATION, _TAIL, _RATINGS, _USER_FEATURES, _ITEM)
        _explain_rules(run, folder)
    elif _RATINGS.value:
        refuse_beside(_RATINGS, _HEAD, _RELATION, _TAIL)
        _explain_user(run, folder)
    elif _RELATION.value or _HEAD.value or _TAIL.value:
        refuse_beside(_RELATION, _USER_FEATURES, _ITEM)
        _explain_query(run, folder)
    else:
        raise UserError(
            "--relation, --rules, --ratings: missing, expected a query (--head, --relation), "
            "--rules, or a CSV with the header item,rating"
        )


def _explain_query(run: Run, folder: Path) -> None:
    query, answer = query_to_explain(_HEAD.value, _RELATION.value, _TAIL.value)
    explainer = load_explainer(run, _DATA_DIR.value or None)
    explanation = explainer.explain(query, answer, _TOP.value)
    print(reasoning_text(explanation))
    pictures = reasoning_pictures(explanation)
    for name, picture in pictures.items():
        write_bytes(folder / name, picture)
    write_json(folder / "explanation.json", explanation)
    print(f"pictures: {folder}" if pictures else f"as JSON: {folder / 'explanation.json'}")


def _explain_rules(run: Run, folder: Path) -> None:
    rules = load_explainer(run, _DATA_DIR.value or None).rules(_ANSWERS.value)
    model = (run.results or {}).get("test", {}).get("mrr", {}).get("mean")
    rules["mrr"]["model"] = model
    print(rules_text(rules))
    write_json(folder / "rules.json", rules)
    print(f"all rules: {folder / 'rules.json'}")


def _explain_user(run: Run, folder: Path) -> None:
    recommender = load_recommender(run, _DATA_DIR.value or None)
    user = recommender.new_user(Path(str(_RATINGS.value)), _USER_FEATURES.value)
    print_warnings(user.warnings)
    explanation = recommender.explain(user, _ITEM.value)
    print(explanation_text(explanation))
    for name, picture in explanation_pictures(explanation).items():
        write_bytes(folder / name, picture)
    write_json(folder / "explanation.json", explanation)
    print(f"pictures: {folder}")


if __name__ == "__main__":
    run_program(main)
