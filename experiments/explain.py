"""Show why a trained model answers as it does.

python -m experiments.explain --workdir=DIR --ratings=FILE [--item=ITEM] [--out=FOLDER]

Prints the modulation that was found, how a user's parameters follow from his ratings, and which
ratings weigh most in a prediction; pictures and the same as JSON go to a folder.
"""

from __future__ import annotations

from pathlib import Path

from absl import flags

from kapl_jax.errors import UserError
from kapl_jax.explain.user_explanation import explanation_pictures, explanation_text
from kapl_jax.methods.registry import load_recommender
from kapl_jax.runs.files import write_bytes, write_json
from kapl_jax.runs.program import print_warnings, refuse_arguments, run_program
from kapl_jax.runs.run_directory import read_run

_WORKDIR = flags.DEFINE_string("workdir", None, "Run directory of a finished run.")
_DATA_DIR = flags.DEFINE_string("data_dir", "", "Folder of registered data, as for the run.")
_RATINGS = flags.DEFINE_string("ratings", None, "CSV of a user's ratings: header item,rating.")
_USER_FEATURES = flags.DEFINE_string(
    "user_features", "", "What is known of the user: field=value,field=value."
)
_ITEM = flags.DEFINE_string("item", None, "Item to explain; by default the best one.")
_OUT = flags.DEFINE_string("out", "", "Folder of pictures and JSON; by default WORKDIR/explain.")


def main(argv: list[str]) -> None:
    """Explain the predictions for the user that the flags give."""
    refuse_arguments(argv)
    if not _WORKDIR.value:
        raise UserError("--workdir: missing, expected the run directory of a finished run")
    if not _RATINGS.value:
        raise UserError("--ratings: missing, expected a CSV with the header item,rating")
    recommender = load_recommender(read_run(_WORKDIR.value), _DATA_DIR.value or None)
    user = recommender.new_user(Path(_RATINGS.value), _USER_FEATURES.value)
    print_warnings(user.warnings)
    explanation = recommender.explain(user, _ITEM.value)
    print(explanation_text(explanation))
    folder = Path(_OUT.value) if _OUT.value else Path(_WORKDIR.value) / "explain"
    for name, picture in explanation_pictures(explanation).items():
        write_bytes(folder / name, picture)
    write_json(folder / "explanation.json", explanation)
    print(f"pictures: {folder}")


if __name__ == "__main__":
    run_program(main)
