"""The voices pack: the same telephone prompts by six recorded voices in five languages, from the sounds of Asterisk.

Source: six Debian packages (`packs.debian` fetches them). It takes half a minute to build.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from packs.common import PACK_FOLDER, About, write_pack
from packs.debian import source, unpacked
from packs.digits import by_hash
from packs.phones import Aligner
from packs.voices_messages import MESSAGES

RATE = 8000  # samples a second, of all packages
SHORTEST, LONGEST = 0.7, 3.0  # seconds
SHARES = {"test": 0.25, "val": 0.15}  # of the messages; the rest is train


@dataclass(frozen=True)
class Voice:
    """One person speaking one language: one package."""

    package: str
    folder: str
    speaker: str
    language: str
    licence: str
    authors: str

    @property
    def name(self) -> str:
        """The value of the column `voice`."""
        return f"{self.speaker}-{self.language}"


_ALLISON = "Allison Smith (http://www.theivrvoice.com); financed by Digium, Inc."
_JUNE = (
    "June Wallack (http://www.junewallack.com); translation: Clod Patry, Kristopher Lalletti, June Wallack; "
    "financed by Digium, Inc., Unlimitel, BGM Informatique"
)
_CARLO = "Carlo Flora (http://www.carloflora.com, http://www.segreterietelefoniche.it); translation: Silvia Petrin"
_MENARDI = "Marco Menardi and Paola Dal Zot (http://www.voip.ammdomus.it); English text: Digium"
VOICES = (
    Voice("asterisk-core-sounds-en-wav", "en_US_f_Allison", "allison", "en", "CC-BY-SA-3.0", _ALLISON),
    Voice("asterisk-core-sounds-es-wav", "es_MX_f_Allison", "allison", "es", "CC-BY-SA-3.0", _ALLISON),
    Voice("asterisk-core-sounds-it-wav", "it_IT_m_Carlo", "carlo", "it", "CC-BY-3.0", _CARLO),
    Voice(
        "asterisk-core-sounds-ru-wav", "ru_RU_f_IvrvoiceRU", "ivrvoice", "ru", "CC-BY-3.0",
        "provided by Maxim Topal (http://www.ivrvoice.ru)",
    ),
    Voice("asterisk-core-sounds-fr-wav", "fr_CA_f_June", "june", "fr", "CC-BY-SA-3.0", _JUNE),
    Voice("asterisk-prompt-it-menardi-wav", "it_IT_f_Menardi", "menardi", "it", "CC-BY-SA-3.0", _MENARDI),
)  # fmt: skip

COLUMNS = {
    "id": "voice and message, '/' written as '-', for example allison-en-digits-14",
    "audio": f"FLAC, mono, 16 bit, {RATE} samples a second: exactly the samples of the source, silence at the ends included",
    "speaker": "person, one of five: allison, carlo, ivrvoice, june, menardi (carlo is a man, the others are women)",
    "voice": f"person and language, one of six: {', '.join(voice.name for voice in VOICES)}",
    "language": "ISO 639-1 code: en (United States), es (Mexico), fr (Canada), it, ru",
    "message": f"one of {len(MESSAGES)} file names without ending; the same message is the same prompt in all languages",
    "text": "the words that are said, only for voice allison-en; empty for the others",
    "phones": "one phone every 10 ms from the beginning, only for voice allison-en: 38 of the CMU set, or SIL; else empty",
    "seconds": f"duration in seconds, {SHORTEST} to {LONGEST}",
    "licence": "SPDX identifier of the recording's licence; menardi's is the Italian port of CC-BY-SA-3.0",
    "split": "train, val or test by message (about 60, 15 and 25 per cent); each voice has all messages",
}
DERIVATION = (
    f"{len(MESSAGES)} prompts that all six voices have, of {SHORTEST} to {LONGEST} seconds, encoded as FLAC without loss; "
    "nothing was trimmed, levelled or resampled. Ordered by the SHA-256 of '0:' + message, the first quarter of the messages "
    "is for test, the next 15 per cent for validation, so that no message is in two splits. Rows are ordered by voice, then "
    "by message. A voice comes with its own microphone, level and noise floor, so that telling voices apart is partly "
    "telling recordings apart; allison in two languages is the control. The packages ship no transcript: the English words "
    "were written down for this pack. Phones are from forced alignment of these words by pocketsphinx 5.1.1 with the American "
    "English model of its wheel, on the samples resampled to 16 kHz: words first, then the phones within them; they were not "
    "corrected by hand. On menardi's prompts, as their licence asks to be said visibly: these sound files were "
    "made by Marco Menardi and his wife Paola Dal Zot; they, updates and further voices are at http://www.voip.ammdomus.it."
)


def build(downloads: Path, folder: Path = PACK_FOLDER) -> Path:
    """Write voices.parquet to `folder` from the packages in `downloads`, which are fetched if absent."""
    splits, aligner = _splits(), Aligner()
    columns: dict[str, list[Any]] = {name: [] for name in COLUMNS}
    for voice in VOICES:
        sounds = unpacked(voice.package, downloads) / "usr/share/asterisk/sounds" / voice.folder
        for message in sorted(MESSAGES):
            samples = _read(sounds / f"{message}.wav")
            text = MESSAGES[message] if voice.name == "allison-en" else ""
            row = {
                "id": f"{voice.name}-{message.replace('/', '-')}",
                "audio": _flac(samples),
                "speaker": voice.speaker,
                "voice": voice.name,
                "language": voice.language,
                "message": message,
                "text": text,
                "phones": " ".join(aligner.phones(samples, RATE, text)) if text else "",
                "seconds": round(len(samples) / RATE, 3),
                "licence": voice.licence,
                "split": splits[message],
            }
            for name, value in row.items():
                columns[name].append(value)
    about = About(
        title="Voices: the same prompts by six voices in five languages",
        sources=tuple(source(voice.package, downloads, voice.licence, voice.authors) for voice in VOICES),
        derivation=DERIVATION,
        columns=COLUMNS,
    )
    return write_pack("voices", columns, about, folder)


def _read(path: Path) -> np.ndarray:
    """The samples of one prompt, int16 (n,). Raises ValueError if it is not what the pack promises."""
    samples, rate = soundfile.read(path, dtype="int16")
    if rate != RATE or samples.ndim != 1 or not SHORTEST <= len(samples) / RATE <= LONGEST:
        raise ValueError(f"voices: {path.name} is no mono prompt of {SHORTEST} to {LONGEST} s at {RATE} Hz")
    return np.asarray(samples)


def _flac(samples: np.ndarray) -> bytes:
    """FLAC bytes at the strongest compression; the encoder writes its version but no time."""
    stream = io.BytesIO()
    soundfile.write(stream, samples, RATE, format="FLAC", subtype="PCM_16", compression_level=1.0)
    return stream.getvalue()


def _splits() -> dict[str, str]:
    """The split of each message."""
    waiting = by_hash(list(MESSAGES))
    splits = dict.fromkeys(waiting, "train")
    start = 0
    for split, share in SHARES.items():
        count = round(share * len(waiting))
        splits.update(dict.fromkeys(waiting[start : start + count], split))
        start += count
    return splits
