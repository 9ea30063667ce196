// Shows the picture of a chosen file in the browser, before it is sent to the server.

const LONGEST_SIDE_PX = 2048; // px, the longer side of the canvas at most
const MOST_BYTES = 2 ** 28; // bytes: larger TIFF files are not read
const BYTES_OF_TYPE = { 1: 1, 3: 2, 4: 4 }; // TIFF type of a value -> its bytes (BYTE, SHORT, LONG)

// Width, height and grey levels (0 to 255) of the first image of a plain TIFF, every n-th pixel of a large one; null
// for any other file. buffer: the bytes of the whole file. The numbers of tags are those of the TIFF 6.0 standard.
export function greyOfTiff(buffer) {
  const view = new DataView(buffer);
  const little = view.byteLength > 8 && view.getUint16(0) === 0x4949;
  if (view.byteLength < 9 || view.getUint16(2, little) !== 42) return null;
  const read = (type, at) => (type === 1 ? view.getUint8(at) : type === 3 ? view.getUint16(at, little) : view.getUint32(at, little));
  const start = view.getUint32(4, little);
  const tags = new Map();
  for (let entry = start + 2; entry < start + 2 + 12 * view.getUint16(start, little); entry += 12) {
    const [type, count] = [view.getUint16(entry + 2, little), view.getUint32(entry + 4, little)];
    if (!(type in BYTES_OF_TYPE)) continue;
    const at = count * BYTES_OF_TYPE[type] <= 4 ? entry + 8 : view.getUint32(entry + 8, little);
    tags.set(view.getUint16(entry, little), Array.from({ length: Math.min(count, 2 ** 16) }, (_, i) => read(type, at + i * BYTES_OF_TYPE[type])));
  }
  const tag = (number, otherwise) => tags.get(number)?.[0] ?? otherwise;
  const [columns, rows, bits, samples] = [tag(256), tag(257), tag(258, 1), tag(277, 1)];
  const [strips, photometric] = [tags.get(273), tag(262)]; // photometric: 0 white is zero, 1 black is zero, 3 palette
  if (!columns || !rows || !strips || tag(259, 1) !== 1 || ![8, 16].includes(bits) || tag(339, 1) !== 1 || tag(284, 1) !== 1) return null;
  const step = Math.ceil(Math.max(columns, rows) / LONGEST_SIDE_PX);
  const [width, height, stripRows] = [Math.floor(columns / step), Math.floor(rows / step), tag(278, rows)];
  const [bytes, palette] = [bits / 8, photometric === 3 ? tags.get(320).map((value) => value >> 8) : null];
  const levels = new Float32Array(width * height);
  let [least, most] = bits === 8 ? [0, 255] : [Infinity, -Infinity];
  for (let y = 0; y < height; y += 1) {
    const row = strips[Math.floor((y * step) / stripRows)] + ((y * step) % stripRows) * columns * samples * bytes;
    for (let x = 0; x < width; x += 1) {
      const at = row + x * step * samples * bytes;
      const level = bits === 8 ? view.getUint8(at) : view.getUint16(at, little);
      levels[y * width + x] = level;
      if (bits === 16) [least, most] = [Math.min(least, level), Math.max(most, level)];
    }
  }
  const stretched = (level) => ((level - least) / (most - least || 1)) * 255;
  return { width, height, grey: Uint8ClampedArray.from(levels, (level) => (palette ? palette[level] : photometric === 0 ? 255 - stretched(level) : stretched(level))) };
}

function canvasOf(width, height, draw) {
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  draw(canvas.getContext("2d"));
  return canvas;
}

// A canvas with the picture, or null where the browser cannot read the file.
export async function pictureOf(file) {
  const bitmap = await createImageBitmap(file).catch(() => null);
  if (bitmap) {
    const scale = Math.min(1, LONGEST_SIDE_PX / Math.max(bitmap.width, bitmap.height));
    const [width, height] = [bitmap.width, bitmap.height].map((side) => Math.max(1, Math.round(side * scale)));
    return canvasOf(width, height, (context) => context.drawImage(bitmap, 0, 0, width, height));
  }
  try {
    const picture = file.size < MOST_BYTES && greyOfTiff(await file.arrayBuffer());
    if (!picture) return null;
    const pixels = new ImageData(picture.width, picture.height);
    picture.grey.forEach((level, i) => pixels.data.set([level, level, level, 255], 4 * i));
    return canvasOf(picture.width, picture.height, (context) => context.putImageData(pixels, 0, 0));
  } catch {
    return null; // damaged; the server will say so
  }
}
