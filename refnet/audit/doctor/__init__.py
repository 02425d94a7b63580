"""The doctor: checks that name the mistakes people really make with these models, their inputs and their embeddings.

Every check is a small function from what it looks at to what it found, listed with its question, its remedy and a
public thread in the file that holds it; `checks` puts the lists together. Four things are looked at: a model file
(`patient`), a run of it (`running`), files of embeddings (`embedding_rows`), a threshold. Findings are facts with
evidence: which tensor or constant, the number found, the number expected.

Thresholds are set so that healthy models pass clean: the synthetic LResNet100E-IR and two trained MobileFaceNets; each
says beside it what it was measured on.
"""
