"""The log-mel spectrogram: what speech encoders are fed, and the raw feature that they are compared with."""

from __future__ import annotations

import numpy as np

WINDOW, HOP = 0.025, 0.010  # seconds


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


def mel_filters(rate: int, width: int, bands: int) -> np.ndarray:
    """Triangular mel filters, float64 (bands, width // 2 + 1)."""
    frequencies = np.fft.rfftfreq(width, 1 / rate)
    top = 2595 * np.log10(1 + rate / 2 / 700)
    edges = 700 * (10 ** (np.linspace(0, top, bands + 2) / 2595) - 1)
    rising = (frequencies - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    falling = (edges[2:, None] - frequencies) / (edges[2:] - edges[1:-1])[:, None]
    filters: np.ndarray = np.maximum(0, np.minimum(rising, falling))
    return filters
