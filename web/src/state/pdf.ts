// Drawing pages of PDFs. The worker, fonts and character maps come from this
// origin; nothing in a file is run, and no address in it is followed.
import { getDocument, GlobalWorkerOptions, type PDFDocumentProxy, TextLayer } from 'pdfjs-dist';
import worker from 'pdfjs-dist/build/pdf.worker.min.mjs?url';
import { findQuote } from '../text/find';

GlobalWorkerOptions.workerSrc = worker;

export interface Pdf {
  pages: number;
  document: PDFDocumentProxy;
  close: () => void;
}

export interface Drawn {
  /** Whether the quote was found on the page. */
  found: boolean;
  problem: string | null;
}

/** Pixels of a page's drawing, at most: large pages are drawn coarser. */
const MOST_PIXELS = 16_000_000;

export async function open(data: Uint8Array<ArrayBuffer>): Promise<Pdf> {
  const task = getDocument({
    data,
    cMapUrl: `${__PDF_FILES__}cmaps/`,
    cMapPacked: true,
    standardFontDataUrl: `${__PDF_FILES__}standard_fonts/`,
    wasmUrl: `${__PDF_FILES__}wasm/`,
    // Web assembly would need an exception from the page's policy.
    useWasm: false,
    useSystemFonts: false,
    isEvalSupported: false,
    enableXfa: false,
    stopAtErrors: false,
  });
  const document = await task.promise;
  return { pages: document.numPages, document, close: () => void task.destroy() };
}

/** Draws a page as wide as `width` into `frame`, with `quote` marked in its text. */
export async function draw(
  pdf: Pdf,
  number: number,
  frame: HTMLElement,
  width: number,
  quote: string,
  signal: AbortSignal,
): Promise<Drawn> {
  const page = await pdf.document.getPage(number);
  const scale = width / page.getViewport({ scale: 1 }).width;
  const viewport = page.getViewport({ scale });
  const pixels = viewport.width * viewport.height;
  const ratio = Math.min(window.devicePixelRatio || 1, Math.sqrt(MOST_PIXELS / pixels));

  const canvas = document.createElement('canvas');
  canvas.width = Math.floor(viewport.width * ratio);
  canvas.height = Math.floor(viewport.height * ratio);
  const layer = document.createElement('div');
  layer.className = 'text-layer';
  layer.style.setProperty('--total-scale-factor', String(scale));
  const drawing = page.render({ canvas, viewport, transform: [ratio, 0, 0, ratio, 0, 0] });
  const text = new TextLayer({ textContentSource: page.streamTextContent(), container: layer, viewport });
  signal.addEventListener('abort', () => {
    drawing.cancel();
    text.cancel();
  }, { once: true });
  await Promise.all([drawing.promise, text.render()]);
  if (signal.aborted) return { found: false, problem: null };
  const found = markQuote(text.textDivs, text.textContentItemsStr, quote);
  frame.replaceChildren(canvas, layer);
  return { found, problem: null };
}

/** Marks a quote in the elements of a page's text. */
function markQuote(elements: readonly HTMLElement[], pieces: readonly string[], quote: string): boolean {
  const found = findQuote(pieces, quote);
  for (const { piece, start, end } of found) {
    const element = elements[piece];
    const text = pieces[piece];
    if (!element || text === undefined) continue;
    const mark = document.createElement('mark');
    mark.textContent = text.slice(start, end);
    element.replaceChildren(text.slice(0, start), mark, text.slice(end));
  }
  return found.length > 0;
}
