// A picture with at most 256 colours, which is a third of the size and, of a page, looks the same.
"use strict";
const { deflateSync, inflateSync } = require("node:zlib");

const SIGNATURE = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);

const chunks = function* (png) {
  for (let at = 8; at < png.length; ) {
    const length = png.readUInt32BE(at);
    yield [png.toString("latin1", at + 4, at + 8), png.subarray(at + 8, at + 8 + length)];
    at += 12 + length;
  }
};

/** The colours of its pixels, row by row, as 0xRRGGBB. */
const pixels = (png) => {
  const all = [...chunks(png)];
  const header = all.find(([kind]) => kind === "IHDR")[1];
  const [width, height, depth, type] = [header.readUInt32BE(0), header.readUInt32BE(4), header[8], header[9]];
  if (depth !== 8 || ![2, 6].includes(type)) throw new Error(`a picture of depth ${depth} and type ${type}`);
  const bytes = type === 6 ? 4 : 3;
  const line = width * bytes;
  const data = inflateSync(Buffer.concat(all.filter(([kind]) => kind === "IDAT").map(([, part]) => part)));
  const colours = new Uint32Array(width * height);
  let above = Buffer.alloc(line);
  for (let y = 0; y < height; y += 1) {
    const start = y * (line + 1);
    const filter = data[start];
    const row = Buffer.from(data.subarray(start + 1, start + 1 + line));
    for (let x = 0; x < line; x += 1) {
      const left = x >= bytes ? row[x - bytes] : 0;
      const [up, corner] = [above[x], x >= bytes ? above[x - bytes] : 0];
      const near = () => {
        const guess = left + up - corner;
        const [a, b, c] = [Math.abs(guess - left), Math.abs(guess - up), Math.abs(guess - corner)];
        return a <= b && a <= c ? left : b <= c ? up : corner;
      };
      row[x] += [() => 0, () => left, () => up, () => (left + up) >> 1, near][filter]();
    }
    for (let x = 0; x < width; x += 1) colours[y * width + x] = row.readUIntBE(x * bytes, 3);
    above = row;
  }
  return { width, height, colours };
};

const distance = (one, other) =>
  [16, 8, 0].reduce((sum, shift) => sum + (((one >> shift) & 255) - ((other >> shift) & 255)) ** 2, 0);

/** As PNG has it; zlib's own is not in every Node 20. */
const crc32 = (bytes) => {
  let sum = 0xffffffff;
  for (const byte of bytes) {
    sum ^= byte;
    for (let bit = 0; bit < 8; bit += 1) sum = (sum >>> 1) ^ (sum & 1 ? 0xedb88320 : 0);
  }
  return (sum ^ 0xffffffff) >>> 0;
};

const chunk = (kind, data) => {
  const body = Buffer.concat([Buffer.from(kind, "latin1"), data]);
  const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
  length.writeUInt32BE(data.length);
  sum.writeUInt32BE(crc32(body));
  return Buffer.concat([length, body, sum]);
};

/** The same picture of its 256 commonest colours, every other shown by the one nearest to it. */
exports.small = (png) => {
  const { width, height, colours } = pixels(png);
  const counts = new Map();
  for (const colour of colours) counts.set(colour, (counts.get(colour) ?? 0) + 1);
  const palette = [...counts].sort((one, other) => other[1] - one[1]).slice(0, 256).map(([colour]) => colour);
  const places = new Map(palette.map((colour, index) => [colour, index]));
  const place = (colour) => {
    let found = places.get(colour);
    if (found === undefined) {
      found = palette.reduce((best, other, index) => (distance(colour, other) < distance(colour, palette[best]) ? index : best), 0);
      places.set(colour, found);
    }
    return found;
  };
  const rows = Buffer.alloc((width + 1) * height);
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) rows[y * (width + 1) + 1 + x] = place(colours[y * width + x]);
  }
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 3, 0, 0, 0], 8);
  const shades = Buffer.concat(palette.map((colour) => Buffer.from([colour >> 16, (colour >> 8) & 255, colour & 255])));
  const parts = [chunk("IHDR", header), chunk("PLTE", shades), chunk("IDAT", deflateSync(rows, { level: 9 })), chunk("IEND", Buffer.alloc(0))];
  return Buffer.concat([SIGNATURE, ...parts]);
};
