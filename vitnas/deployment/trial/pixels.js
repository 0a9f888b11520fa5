// From a picture to what the network takes: as vitnas prepares images that it evaluates.

import { resampled } from "./resample.js";

// The largest square in the middle, resized to the side of the network's input.
export function middleSquare(picture, columns, rows, canvas, size) {
  canvas.width = canvas.height = size;
  const side = Math.min(columns, rows);
  const part = { left: (columns - side) / 2, top: (rows - side) / 2, across: side, down: side, width: size, height: size };
  const seen = new ImageData(resampled(picture, columns, rows, part), size, size);
  canvas.getContext("2d").putImageData(seen, 0, 0);
  return seen.data;
}

// Channels first, (value / 255 - mean) / std; of one channel the grey that Pillow makes of colours.
export function normalised(rgba, size, { channels, mean, std }) {
  const pixels = size * size;
  const values = new Float32Array(channels * pixels);
  for (let i = 0; i < pixels; i++) {
    const [r, g, b] = [rgba[4 * i], rgba[4 * i + 1], rgba[4 * i + 2]];
    const levels = channels === 1 ? [(r * 19595 + g * 38470 + b * 7471 + 0x8000) >> 16] : [r, g, b];
    for (let c = 0; c < channels; c++) values[c * pixels + i] = (levels[c] / 255 - mean[c]) / std[c];
  }
  return values;
}

export function softmax(logits) {
  const most = Math.max(...logits);
  const powers = Array.from(logits, (logit) => Math.exp(logit - most));
  const sum = powers.reduce((a, b) => a + b, 0);
  return powers.map((power) => power / sum);
}
