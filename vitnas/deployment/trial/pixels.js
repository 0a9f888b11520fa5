// From a picture to what the network takes: as vitnas prepares images that it evaluates.

import { resampled } from "./resample.js";

// Which part of the picture is shown, and how large; as `placed` of vitnas/supernets/data/geometry.py.
function placed(columns, rows, { fit, width, height }) {
  if (fit === "crop") {
    const tall = rows * width > columns * height;
    const [across, down] = tall ? [columns, (columns * height) / width] : [(rows * width) / height, rows];
    return { left: (columns - across) / 2, top: (rows - down) / 2, across, down, width, height };
  }
  const scale = Math.min(height / rows, width / columns);
  const whole = { left: 0, top: 0, across: columns, down: rows };
  if (fit === "stretch") return { ...whole, width, height };
  const inner = (side, most) => Math.min(most, Math.max(1, Math.round(side * scale)));
  return { ...whole, width: inner(columns, width), height: inner(rows, height) };
}

// The picture as the network sees it, on a canvas; what it does not fill is black.
export function seen(picture, columns, rows, canvas, known) {
  canvas.width = known.width;
  canvas.height = known.height;
  const part = placed(columns, rows, known);
  const image = new ImageData(resampled(picture, columns, rows, part), part.width, part.height);
  const draw = canvas.getContext("2d", { willReadFrequently: true });
  draw.fillStyle = "#000";
  draw.fillRect(0, 0, known.width, known.height);
  draw.putImageData(image, (known.width - part.width) >> 1, (known.height - part.height) >> 1);
  return draw.getImageData(0, 0, known.width, known.height).data;
}

// Channels first, (value / 255 - mean) / std; of one channel the grey that Pillow makes of colours.
export function normalised(rgba, { channels, width, height, mean, std }) {
  const pixels = width * height;
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
