// Three files of fixed names: what goes into the program must not change its name with its content.
import { defineConfig } from "vite";

export default defineConfig({
  base: "/",
  server: { proxy: { "/v1": "http://127.0.0.1:8080" } },
  build: {
    outDir: "dist",
    emptyOutDir: true,
    target: "es2022",
    cssCodeSplit: false,
    assetsInlineLimit: 0,
    modulePreload: false,
    rollupOptions: {
      output: {
        entryFileNames: "app.js",
        assetFileNames: "app[extname]",
      },
    },
  },
});
