import { describe, expect, it } from "vitest";
import { parseEvent, readEvents, type ServerEvent } from "./events";

describe("events", () => {
  it("have a name and data, comments have none", () => {
    expect(parseEvent('event: progress\ndata: {"fraction": 0.5}')).toEqual({ name: "progress", data: { fraction: 0.5 } });
    expect(parseEvent(": still here")).toBeNull();
  });

  it.each([1, 2, 7, 1000])("come out whole from pieces of %s bytes", async (length) => {
    const bytes = new TextEncoder().encode('event: progress\r\ndata: {"stage": "größer"}\r\n\r\n: idle\n\nevent: done\ndata: {"ms":\ndata: 3}\n\n');
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        for (let at = 0; at < bytes.length; at += length) controller.enqueue(bytes.slice(at, at + length));
        controller.close();
      },
    });
    const events: ServerEvent[] = [];
    for await (const event of readEvents(body)) events.push(event);
    expect(events).toEqual([
      { name: "progress", data: { stage: "größer" } },
      { name: "done", data: { ms: 3 } },
    ]);
  });
});
