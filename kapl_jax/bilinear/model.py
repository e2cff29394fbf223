"""The bilinear model as a Flax module: two embedding tables, and queries on them."""

from __future__ import annotations

import flax.linen as nn
import jax

from kapl_jax.bilinear.scoring import head_queries, score_all, tail_queries


class BilinearModel(nn.Module):
    """Embeddings of entities and relations, scored by a structure that is data.

    With reciprocal relations every relation has a second embedding, behind all first ones, and
    (?, r, t) is asked as (t, r reversed, ?).

    Attributes:
        num_entities: N.
        num_relations: R.
        embedding_dim: d, divisible by the number of blocks.
        reciprocal: Whether heads are asked through reciprocal relations.
    """

    num_entities: int
    num_relations: int
    embedding_dim: int
    reciprocal: bool = False

    def setup(self) -> None:
        """Declare the tables, drawn as Glorot and Bengio (2010) have it, as published."""
        rows = self.num_relations * (2 if self.reciprocal else 1)
        initial = nn.initializers.xavier_uniform()
        self.entity = self.param("entity", initial, (self.num_entities, self.embedding_dim))
        self.relation = self.param("relation", initial, (rows, self.embedding_dim))

    def __call__(self, signs: jax.Array, triples: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Score all entities as tails and as heads of triples.

        Args:
            signs: float32[K, K, K] from `scoring.signed_one_hot`.
            triples: int32[B, 3].

        Returns:
            Scores of all tails and of all heads, float32[B, N] each.
        """
        return self.score_tails(signs, triples), self.score_heads(signs, triples)

    def score_tails(self, signs: jax.Array, triples: jax.Array) -> jax.Array:
        """Return the scores float32[B, N] of every entity as tail of (h, r, ?)."""
        head, relation = triples[:, 0], triples[:, 1]
        queries = tail_queries(signs, self.entity[head], self.relation[relation])
        return score_all(queries, self.entity)

    def score_heads(self, signs: jax.Array, triples: jax.Array) -> jax.Array:
        """Return the scores float32[B, N] of every entity as head of (?, r, t)."""
        tail, relation = triples[:, 2], triples[:, 1]
        if self.reciprocal:
            reverse = self.relation[relation + self.num_relations]
            queries = tail_queries(signs, self.entity[tail], reverse)
        else:
            queries = head_queries(signs, self.entity[tail], self.relation[relation])
        return score_all(queries, self.entity)
