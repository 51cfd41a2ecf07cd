/** The binary answer of `/decode`: logits of the candidates and what is known of them. */

export interface Candidate {
  name: string;
  iou: number;
}

/** Logits [K, h, w], row by row; the picture fills the first `cropHw` rows and columns. */
export interface Decoded {
  seq: number;
  candidates: Candidate[];
  chosen: number;
  shape: [number, number, number];
  cropHw: [number, number];
  logits: Float32Array;
  decodeMs: number;
  waitMs: number;
}

interface Header {
  seq: number;
  candidates: Candidate[];
  chosen: number;
  shape: [number, number, number];
  crop_hw: [number, number];
  decode_ms: number;
  wait_ms: number;
}

export function parseDecoded(buffer: ArrayBuffer): Decoded {
  const length = new DataView(buffer).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length))) as Header;
  const start = Math.ceil((4 + length) / 4) * 4;
  const count = header.shape[0] * header.shape[1] * header.shape[2];
  return {
    seq: header.seq,
    candidates: header.candidates,
    chosen: header.chosen,
    shape: header.shape,
    cropHw: header.crop_hw,
    logits: halfToFloat(new Uint16Array(buffer, start, count)),
    decodeMs: header.decode_ms,
    waitMs: header.wait_ms,
  };
}

/** float16 bit patterns as numbers, through a table of all 65,536 of them. */
export function halfToFloat(half: Uint16Array): Float32Array {
  const table = halfTable();
  const out = new Float32Array(half.length);
  for (let i = 0; i < half.length; i++) out[i] = table[half[i]!]!;
  return out;
}

let floats: Float32Array | null = null;

function halfTable(): Float32Array {
  if (floats) return floats;
  floats = new Float32Array(65536);
  for (let bits = 0; bits < 65536; bits++) floats[bits] = halfValue(bits);
  return floats;
}

function halfValue(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}
