"""RED-GNN: reasoning over relational digraphs, transductive and inductive."""
