// Builds the page into dist/, which is committed and embedded into the program:
// names come from contents, and nothing is inlined, so that the page runs under
// a policy without inline scripts or styles.
import { readFileSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { join } from 'node:path';
import { defineConfig } from 'vite';

const pdfjs = fileURLToPath(new URL('./node_modules/pdfjs-dist/', import.meta.url));
const version = JSON.parse(readFileSync(join(pdfjs, 'package.json'), 'utf8')).version;

/** The licences of all that is in the page and not of this project. */
function licences() {
  const modules = fileURLToPath(new URL('./node_modules/', import.meta.url));
  const files = [
    'preact/LICENSE', '@preact/signals/LICENSE', '@preact/signals-core/LICENSE', 'marked/LICENSE',
    'pdfjs-dist/LICENSE', 'pdfjs-dist/cmaps/LICENSE', 'pdfjs-dist/standard_fonts/LICENSE_FOXIT',
    'pdfjs-dist/standard_fonts/LICENSE_LIBERATION', 'pdfjs-dist/wasm/LICENSE_OPENJPEG',
    'pdfjs-dist/wasm/LICENSE_PDFJS_OPENJPEG',
  ];
  return files.map((file) => `${file}\n\n${readFileSync(join(modules, file), 'utf8').trim()}\n`).join('\n\n');
}

/** Files that PDF.js loads by name: character maps, fonts that files leave out, and a decoder. */
function pdfFiles() {
  const folders = { cmaps: /\.bcmap$/, standard_fonts: /\.(pfb|ttf)$/, wasm: /^openjpeg_nowasm_fallback\.js$/ };
  return {
    name: 'pdf-files',
    apply: 'build',
    generateBundle() {
      for (const [folder, wanted] of Object.entries(folders)) {
        for (const name of readdirSync(join(pdfjs, folder)).filter((name) => wanted.test(name)).sort()) {
          const fileName = `assets/pdf-${version}/${folder}/${name}`;
          this.emitFile({ type: 'asset', fileName, source: readFileSync(join(pdfjs, folder, name)) });
        }
      }
      this.emitFile({ type: 'asset', name: 'licences.txt', source: licences() });
    },
  };
}

const backend = process.env.FOOTNOTE_URL ?? 'http://127.0.0.1:8080';

export default defineConfig({
  plugins: [pdfFiles()],
  define: { __PDF_FILES__: JSON.stringify(`/assets/pdf-${version}/`) },
  build: {
    target: 'es2022',
    sourcemap: false,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 1500,
  },
  server: {
    // The service takes requests of its own origin only.
    proxy: Object.fromEntries(['/api', '/docs', '/openapi.json'].map((path) => [path, {
      target: backend,
      changeOrigin: true,
      headers: { origin: backend },
    }])),
  },
  // Long, for machines that do much at once.
  test: { environment: 'jsdom', include: ['src/**/*.test.{ts,tsx}'], testTimeout: 60_000 },
});
