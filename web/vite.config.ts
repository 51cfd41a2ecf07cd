import { defineConfig } from "vitest/config";

// The page is committed as it is built, so that users need no Node: names carry a hash of their content, and the same source gives the same bytes.
export default defineConfig({
  base: "./",
  build: {
    outDir: "../src/samhq/serve/static",
    emptyOutDir: true,
    target: "es2022",
    assetsInlineLimit: 0,
    sourcemap: false,
    modulePreload: { polyfill: false },
  },
  test: { pool: "threads", isolate: false, css: true, include: ["src/**/*.test.ts"] },
  server: { proxy: { "/api": "http://127.0.0.1:8170" } },
});
