"""Phones of the English prompts of the voices pack, by forced alignment with pocketsphinx and the model in its wheel."""

from __future__ import annotations

import re
from math import gcd

import numpy as np
from scipy.signal import resample_poly

STEP = 0.01  # seconds a label
MODEL_RATE = 16000  # samples a second, of the acoustic model
PADDING = 1600  # samples of silence before and behind: 0.1 s
SILENCES = ("SIL", "<sil>", "(NULL)")
NOISES = ("+SPN+", "+NSN+")  # counted as silence: nothing is spoken there
WORDS = {  # what the dictionary of the model lacks
    "backtick": "B AE K T IH K",
    "semicolon": "S EH M IY K OW L AH N",
    "undeleted": "AH N D IH L IY T AH D",
    "unistim": "Y UW N IH S T IH M",
    "unmuted": "AH N M Y UW T IH D",
}
SPOKEN = {"a.m.": "a. m.", "p.m.": "p. m."}


class Aligner:
    """Gives sounds of known words their phones. The result depends on samples, words and the version of pocketsphinx alone."""

    def __init__(self) -> None:
        import pocketsphinx

        self._decoder = pocketsphinx.Decoder(samprate=MODEL_RATE, lm=None, loglevel="FATAL")
        for word, phones in WORDS.items():
            self._decoder.add_word(word, phones, True)

    def phones(self, samples: np.ndarray, rate: int, text: str) -> list[str]:
        """One phone of the CMU set, or SIL, every 10 ms of a sound, int16 (n,). Raises ValueError if it cannot be aligned."""
        shared = gcd(MODEL_RATE, rate)
        wave = resample_poly(samples.astype(np.float64), MODEL_RATE // shared, rate // shared)
        wave = np.pad(np.clip(np.rint(wave), -32768, 32767).astype(np.int16), PADDING)
        words = spoken_words(text)
        found = [(name, start, length) for name, start, length in self._aligned(wave, words)]
        count = int(len(samples) / rate / STEP)
        lead = round(PADDING / MODEL_RATE / STEP)
        line = ["SIL"] * (count + 2 * lead)
        for name, start, length in found:
            for place in range(start, min(start + length, len(line))):
                line[place] = "SIL" if name in (*SILENCES, *NOISES) else name
        return line[lead : lead + count]

    def _aligned(self, wave: np.ndarray, words: str) -> list[tuple[str, int, int]]:
        decoder = self._decoder
        decoder.set_align_text(words)
        for states in (False, True):  # first the words, then the phones within them
            if states:
                decoder.set_alignment()
            decoder.start_utt()
            decoder.process_raw(wave.tobytes(), full_utt=True)
            decoder.end_utt()
        alignment = decoder.get_alignment()
        if alignment is None:
            raise ValueError(f"phones: {words!r} cannot be aligned")
        return [(phone.name, phone.start, phone.duration) for word in alignment for phone in word]


def spoken_words(text: str) -> str:
    """The words of a prompt as the dictionary writes them: lower case, no punctuation."""
    words = [SPOKEN.get(word, re.sub(r"[^a-z']", "", word)) for word in text.lower().split()]
    return " ".join(words)
