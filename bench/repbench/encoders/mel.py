"""The log-mel spectrogram: what speech encoders are fed, and the raw feature that they are compared with."""

from __future__ import annotations

import numpy as np

WINDOW, HOP = 0.025, 0.010  # seconds
FIRST = WINDOW / 2  # seconds: the centre of the first window
BANDS, CEPSTRA = 26, 13  # of MFCC
REACH = 2  # frames to each side over which the slopes of MFCC are taken


def log_mel(samples: np.ndarray, rate: int, bands: int) -> np.ndarray:
    """Log-mel spectrogram, float64 (frames, bands), of mono samples (n,): windows of 25 ms every 10 ms, Hann, power.

    Triangular filters, evenly spaced on the mel scale 2595 log10(1 + f / 700) from 0 to half the rate; log(power + 1e-10).
    """
    width, hop = max(2, round(WINDOW * rate)), max(1, round(HOP * rate))
    padded = np.pad(np.asarray(samples, dtype=np.float64), (0, max(0, width - len(samples))))
    windows = np.lib.stride_tricks.sliding_window_view(padded, width)[::hop]
    power = np.abs(np.fft.rfft(windows * np.hanning(width), axis=1)) ** 2
    spectrum: np.ndarray = np.log(power @ mel_filters(rate, width, bands).T + 1e-10)
    return spectrum


def mfcc(samples: np.ndarray, rate: int) -> np.ndarray:
    """Mel-frequency cepstra, float64 (frames, 39): 13 of 26 bands (orthonormal DCT-II), their slopes, and the slopes of those.

    A slope is that of the least-squares line through five frames, the first and last repeated at the edges (HTK's deltas).
    """
    from scipy.fft import dct  # takes a moment to import

    cepstra = dct(log_mel(samples, rate, BANDS), type=2, norm="ortho", axis=1)[:, :CEPSTRA]
    slopes = _slopes(cepstra)
    found: np.ndarray = np.concatenate([cepstra, slopes, _slopes(slopes)], axis=1)
    return found


def _slopes(frames: np.ndarray) -> np.ndarray:
    padded = np.pad(frames, ((REACH, REACH), (0, 0)), mode="edge")
    steps = range(1, REACH + 1)
    count = len(frames)
    rise = sum(step * (padded[REACH + step :][:count] - padded[REACH - step :][:count]) for step in steps)
    slopes: np.ndarray = rise / (2 * sum(step**2 for step in steps))
    return slopes


def mel_filters(rate: int, width: int, bands: int) -> np.ndarray:
    """Triangular mel filters, float64 (bands, width // 2 + 1)."""
    frequencies = np.fft.rfftfreq(width, 1 / rate)
    top = 2595 * np.log10(1 + rate / 2 / 700)
    edges = 700 * (10 ** (np.linspace(0, top, bands + 2) / 2595) - 1)
    rising = (frequencies - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    falling = (edges[2:, None] - frequencies) / (edges[2:] - edges[1:-1])[:, None]
    filters: np.ndarray = np.maximum(0, np.minimum(rising, falling))
    return filters
