"""Search for where and how to modulate a predictor for users with few ratings (ColdNAS, ColdNAS+).

python -m experiments.coldnas --dataset=NAME_OR_PATH --workdir=DIR [flags]

Without flags it runs on generated users, whose modulation is known. Registered data may bring
defaults of their own, see kapl_jax/methods/coldnas/defaults.py; config.json records what was used.
"""

from __future__ import annotations

from kapl_jax.programs import method_program

if __name__ == "__main__":
    method_program("coldnas")
