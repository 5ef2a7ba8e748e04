"""What each protocol asks, in a newcomer's words: the headings of the page's summary."""

from __future__ import annotations

from collections.abc import Mapping

# What most people look for comes first.
FIRST: Mapping[str, int] = {"linear-probe": 0, "knn": 1, "zero-shot": 2, "pose-robustness": 3}
QUESTIONS: Mapping[str, str] = {
    "alignment-uniformity": "Are two crops of an image close, and images well spread?",
    "calibration": "Do the probe's probabilities mean what they say?",
    "clustering": "Do items fall into their classes by themselves?",
    "compositional": "Is the true caption told from a hard negative?",
    "compositional-itm": "The same, judged by a matching head?",
    "compositional-lm": "The same, judged by a captioner?",
    "equivariance": "Does the embedding turn with the object?",
    "few-shot": "Do a few examples a class suffice?",
    "fine-tune": "How good is the whole network, trained on the labels?",
    "groups": "Is it as good for the worst group?",
    "identifiability": "Which factors of an image can be read off it?",
    "knn": "Are neighbours of one class?",
    "lidar": "How many directions tell items from their augmentations?",
    "linear-probe": "Can a linear classifier read the classes?",
    "modality-gap": "How far do images lie from texts?",
    "ood": "Does it notice what it has never seen?",
    "pose-robustness": "Does it know an object from an unseen side?",
    "retrieval": "Do images find their captions, and captions their images?",
    "spectrum": "How many directions are used?",
    "word-order": "Does the text tower notice shuffled words?",
    "zero-shot": "Do the names of the classes find their images?",
    "zero-shot-calibration": "Do zero-shot's probabilities mean what they say?",
}
