import { describe, expect, it } from "vitest";
import { halfToFloat, parseDecoded } from "./decoded";

describe("float16", () => {
  it("is read as IEEE 754 has it", () => {
    const bits = Uint16Array.of(0x0000, 0x8000, 0x3c00, 0xc000, 0x7bff, 0x0001, 0x0400, 0x7c00, 0xfc00, 0x3555);
    expect([...halfToFloat(bits)]).toEqual([0, -0, 1, -2, 65504, 2 ** -24, 2 ** -14, Infinity, -Infinity, Math.fround(0.333251953125)]);
    expect(halfToFloat(Uint16Array.of(0x7e00))[0]).toBeNaN();
  });
});

describe("an answer of /decode", () => {
  it.each([1, 12, 123, 1234])("is read whatever the length of its header (seq %s)", (seq) => {
    const header = { seq, candidates: [{ name: "HQ", iou: 0.9 }], chosen: 0, shape: [1, 2, 2], crop_hw: [1.5, 2], image_hw: [3, 4], decode_ms: 2, wait_ms: 1 };
    const plain = new TextEncoder().encode(JSON.stringify(header));
    const length = Math.ceil(plain.length / 4) * 4;
    const buffer = new ArrayBuffer(4 + length + 8);
    new DataView(buffer).setUint32(0, length, true);
    new Uint8Array(buffer, 4, length).fill(32);
    new Uint8Array(buffer, 4).set(plain);
    new Uint16Array(buffer, 4 + length).set([0x3c00, 0xbc00, 0, 0x4000]);
    const answer = parseDecoded(buffer);
    expect(answer).toMatchObject({ seq, chosen: 0, shape: [1, 2, 2], cropHw: [1.5, 2], decodeMs: 2, waitMs: 1 });
    expect([...answer.logits]).toEqual([1, -1, 0, 2]);
  });
});
