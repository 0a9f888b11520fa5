// Pictures made smaller as Pillow does it: a triangle over all pixels that one stands for, rows first, whole numbers in between.

const BAND = 4 << 20; // pixels that are taken from the picture at a time: a phone's memory holds few whole photographs
const UNIT = 1 << 22; // of the weights, which are whole numbers too
const CHANNELS = 4;

// For each of `size` pixels: the first that it is made of, and the weights of it and of those behind.
function shares(start, extent, size, whole) {
  const scale = extent / size;
  const reach = Math.max(scale, 1);
  return Array.from({ length: size }, (_, i) => {
    const centre = start + (i + 0.5) * scale;
    const first = Math.max(Math.floor(centre - reach + 0.5), 0);
    const last = Math.min(Math.floor(centre + reach + 0.5), whole);
    const weights = Array.from({ length: last - first }, (_, j) => Math.max(0, 1 - Math.abs((first + j - centre + 0.5) / reach)));
    const sum = weights.reduce((a, b) => a + b, 0);
    return { first, weights: weights.map((weight) => Math.round((weight / sum) * UNIT)) };
  });
}

// One line of pixels, `step` apart, as other pixels.
function line(from, begin, step, skipped, made, to, place, stride) {
  for (const { first, weights } of made) {
    for (let c = 0; c < CHANNELS; c++) {
      let sum = UNIT / 2;
      let at = begin + (first - skipped) * step + c;
      for (let j = 0; j < weights.length; j++, at += step) sum += from[at] * weights[j];
      to[place + c] = Math.floor(sum / UNIT); // no more than a byte, as no weight is below zero
    }
    place += stride;
  }
}

// The part of a picture from (left, top), `across` wide and `down` high, at another size, as bytes of red, green, blue and one more.
export function resampled(picture, columns, rows, { left, top, across, down, width, height }) {
  const wide = shares(left, across, width, columns);
  const high = shares(top, down, height, rows);
  const end = ({ first, weights }) => first + weights.length;
  const [x, y] = [wide[0].first, high[0].first];
  const [taken, lines] = [end(wide[width - 1]) - x, end(high[height - 1]) - y];
  const narrow = new Uint8Array(lines * width * CHANNELS);
  const canvas = document.createElement("canvas");
  canvas.width = taken;
  canvas.height = Math.min(lines, Math.max(1, Math.floor(BAND / taken)));
  const draw = canvas.getContext("2d", { willReadFrequently: true });
  for (let done = 0; done < lines; done += canvas.height) {
    const some = Math.min(canvas.height, lines - done);
    draw.fillStyle = "#000";
    draw.fillRect(0, 0, taken, some);
    draw.drawImage(picture, x, y + done, taken, some, 0, 0, taken, some);
    const { data } = draw.getImageData(0, 0, taken, some);
    for (let row = 0; row < some; row++) {
      line(data, row * taken * CHANNELS, CHANNELS, x, wide, narrow, (done + row) * width * CHANNELS, CHANNELS);
    }
  }
  const small = new Uint8ClampedArray(height * width * CHANNELS);
  for (let column = 0; column < width; column++) {
    line(narrow, column * CHANNELS, width * CHANNELS, y, high, small, column * CHANNELS, width * CHANNELS);
  }
  return small;
}
