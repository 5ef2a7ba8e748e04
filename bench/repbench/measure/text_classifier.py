"""Can a linear classifier of words or letters tell true captions from negatives? Cross-fitted, whole images apart."""

from __future__ import annotations

import warnings

import numpy as np

from repbench.measure.blind import Captions, fold_of


def classifier_scores(captions: Captions, groups: np.ndarray, seed: int = 0) -> dict[str, np.ndarray]:
    """Scores (n, k): the logit that a caption is true, by logistic regression on tf-idf features (scikit-learn, C = 1).

    The first caption of an example is the true one. Each fold is scored by a classifier of the others; examples of one group
    share a fold. {} where there is but one group. Examples with fewer than k captions have the least logit beyond.
    """
    fold = fold_of(groups, seed)
    if len(np.unique(fold)) < 2:
        return {}
    width = max(map(len, captions))
    found = {}
    for name, analyzer, lengths in (("classifier of words", "word", (1, 2)), ("classifier of letters", "char_wb", (2, 4))):
        scores = np.full((len(captions), width), np.nan)
        for held in np.unique(fold):
            rows = np.flatnonzero(fold == held).tolist()
            others = np.flatnonzero(fold != held).tolist()
            logits = iter(_logits([captions[k] for k in others], [captions[k] for k in rows], analyzer, lengths))
            for place in rows:
                for column in range(len(captions[place])):
                    scores[place, column] = next(logits)
        found[name] = np.where(np.isnan(scores), np.nanmin(scores), scores)
    return found


def _logits(fitted_on: Captions, asked: Captions, analyzer: str, lengths: tuple[int, int]) -> np.ndarray:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    texts = [text for example in fitted_on for text in example]
    label = [place == 0 for example in fitted_on for place in range(len(example))]
    features = TfidfVectorizer(analyzer=analyzer, ngram_range=lengths, sublinear_tf=True, token_pattern=r"(?u)\b\w+\b")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.filterwarnings("ignore", message="The parameter 'token_pattern' will not be used")
        model = LogisticRegression(max_iter=300, class_weight="balanced").fit(features.fit_transform(texts), label)
        logits: np.ndarray = model.decision_function(features.transform([text for example in asked for text in example]))
    return logits
