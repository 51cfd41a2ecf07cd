/** No file of the page imports itself through others. Type-only imports count too. */
import { expect, test } from "vitest";

const FROM = /\bfrom\s+"(\.[^"]+)"|\bimport\s*\(?\s*"(\.[^"]+)"/g;

/** The address of a relative import, without its ending: "/src/stage/view". */
function resolved(importer: string, relative: string): string {
  return new URL(relative, `file://${importer}`).pathname.replace(/\.tsx?$/, "");
}

/** The imports of each file, by the file's address without its ending. */
function importsOf(files: Record<string, string>): Map<string, string[]> {
  const named = Object.entries(files).map(([file, text]) => [file.replace(/\.tsx?$/, ""), file, text] as const);
  const known = new Set(named.map(([name]) => name));
  return new Map(
    named.map(([name, file, text]) => {
      const found = [...text.matchAll(FROM)].map((match) => resolved(file, (match[1] ?? match[2])!));
      return [name, found.filter((each) => known.has(each))];
    }),
  );
}

/** One circle of imports as a path that ends where it begins, or null. */
function circle(imports: Map<string, string[]>): string[] | null {
  const finished = new Set<string>();
  const path: string[] = [];
  const follow = (name: string): string[] | null => {
    if (path.includes(name)) return [...path.slice(path.indexOf(name)), name];
    if (finished.has(name)) return null;
    path.push(name);
    for (const next of imports.get(name) ?? []) {
      const found = follow(next);
      if (found) return found;
    }
    path.pop();
    finished.add(name);
    return null;
  };
  for (const name of imports.keys()) {
    const found = follow(name);
    if (found) return found;
  }
  return null;
}

test("a circle is found, also one of types alone", () => {
  const files = {
    "/src/a.ts": 'import { b } from "./deep/b";',
    "/src/deep/b.tsx": 'import type {\n  C,\n} from "../c";\nimport "../page.css";',
    "/src/c.ts": 'export * from "./a";',
    "/src/d.ts": 'import { a } from "./a";',
  };
  expect(circle(importsOf(files))).toEqual(["/src/a", "/src/deep/b", "/src/c", "/src/a"]);
  expect(circle(importsOf({ ...files, "/src/c.ts": 'const lazy = () => import("./e");', "/src/e.ts": "" }))).toBeNull();
});

test("the page has no circles", () => {
  const files = import.meta.glob<string>(["/src/**/*.{ts,tsx}", "!/src/**/*.test.ts"], { query: "?raw", import: "default", eager: true });
  const imports = importsOf(files);
  expect([...imports.values()].flat().length).toBeGreaterThan(100);
  expect(circle(imports)).toBeNull();
});
