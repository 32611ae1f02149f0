// Writes grey PNG files; a canvas would write the class ids as colours.

const CRCS = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? 0xedb88320 ^ (crc >>> 1) : crc >>> 1;
  return crc;
});

// Returns a PNG of 8-bit values as a Blob.
export async function writeGrey(values, width, height) {
  const rows = new Uint8Array(height * (width + 1)); // each row begins with the number of its filter, 0 for none
  for (let y = 0; y < height; y++) rows.set(values.subarray(y * width, (y + 1) * width), y * (width + 1) + 1);
  const compressed = new Blob([rows]).stream().pipeThrough(new CompressionStream("deflate"));
  const header = new Uint8Array([...number(width), ...number(height), 8, 0, 0, 0, 0]);
  return new Blob([
    new Uint8Array([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]),
    ...chunk("IHDR", header),
    ...chunk("IDAT", new Uint8Array(await new Response(compressed).arrayBuffer())),
    ...chunk("IEND", new Uint8Array()),
  ], { type: "image/png" });
}

function chunk(type, data) {
  const name = new TextEncoder().encode(type);
  let crc = ~0;
  for (const part of [name, data]) for (const byte of part) crc = CRCS[(crc ^ byte) & 255] ^ (crc >>> 8);
  return [number(data.length), name, data, number(~crc >>> 0)];
}

// Returns the four bytes of a number, the most significant first.
function number(value) {
  return new Uint8Array([value >>> 24, value >>> 16, value >>> 8, value]);
}
