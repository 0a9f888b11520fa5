// From a picture to what the network takes: as vitnas prepares images that it evaluates.

// The largest square in the middle, resized to the side of the network's input.
export function middleSquare(picture, width, height, canvas, size) {
  canvas.width = canvas.height = size;
  const side = Math.min(width, height);
  let source = picture;
  let [left, top, extent] = [(width - side) / 2, (height - side) / 2, side];
  // Half at a time, so that every pixel of a large photograph counts, as in a resize with a filter.
  while (extent >= 2 * size) {
    const half = document.createElement("canvas");
    half.width = half.height = Math.floor(extent / 2);
    const draw = half.getContext("2d");
    draw.imageSmoothingQuality = "high";
    draw.drawImage(source, left, top, extent, extent, 0, 0, half.width, half.height);
    [source, left, top, extent] = [half, 0, 0, half.width];
  }
  const draw = canvas.getContext("2d", { willReadFrequently: true });
  draw.imageSmoothingQuality = "high";
  draw.fillStyle = "#000";
  draw.fillRect(0, 0, size, size);
  draw.drawImage(source, left, top, extent, extent, 0, 0, size, size);
  return draw.getImageData(0, 0, size, size).data;
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
