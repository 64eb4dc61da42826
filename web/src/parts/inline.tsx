// Words of a block: emphasis, code, links, citations and unsupported claims.
import type { Token } from 'marked';
import type { ComponentChildren, VNode } from 'preact';
import { decode } from '../text/entities';
import { safeLink } from '../text/links';
import { CITE_CLOSE, CITE_OPEN, restore, UNSUPPORTED_CLOSE, UNSUPPORTED_OPEN, unmark } from '../text/marks';

const SIGNS = new RegExp(`(${CITE_OPEN}\\d+${CITE_CLOSE}|[${UNSUPPORTED_OPEN}${UNSUPPORTED_CLOSE}])`);
const SIGN = new RegExp(`[${CITE_OPEN}${UNSUPPORTED_OPEN}${UNSUPPORTED_CLOSE}]`);
const DEEPEST = 24;

/** What blocks need to know. */
export interface Context {
  cite: (n: number) => VNode;
  depth: number;
  /** Whether the words at hand lie in an unsupported claim. */
  open: boolean;
}

/** The words of tokens, one after another. */
export function children(tokens: readonly Token[] | undefined, context: Context, depth = 0): ComponentChildren {
  if (!tokens) return null;
  if (depth > DEEPEST) return tokens.map((token) => unmark(token.raw)).join('');
  return tokens.map((token) => inline(token, context, depth));
}

function inline(token: Token, context: Context, depth: number): ComponentChildren {
  const inner = () => children('tokens' in token ? token.tokens : undefined, context, depth + 1);
  switch (token.type) {
    case 'strong':
      return <strong>{inner()}</strong>;
    case 'em':
      return <em>{inner()}</em>;
    case 'del':
      return <del>{inner()}</del>;
    case 'codespan':
      return supported(<code>{unmark(token.text)}</code>, context);
    case 'br':
      return <br />;
    case 'checkbox':
      return box(token.checked === true);
    case 'image':
      return supported(<Picture words={token.text} address={token.href} />, context);
    case 'link':
      return link(token, context, depth);
    case 'escape':
      return words(token.text, context);
    case 'text':
      return 'tokens' in token && token.tokens ? inner() : words(decode(token.text), context);
    default:
      // HTML among others: shown as the words that it is.
      return words(token.raw, context);
  }
}

/** Words with their citations and unsupported claims. */
function words(text: string, context: Context): ComponentChildren {
  return text.split(SIGNS).map((piece) => {
    if (piece === '') return null;
    if (piece === UNSUPPORTED_OPEN) {
      context.open = true;
      return null;
    }
    if (piece === UNSUPPORTED_CLOSE) {
      const wasOpen = context.open;
      context.open = false;
      return wasOpen ? <span class="unsupported-label">not in the sources</span> : null;
    }
    if (piece.startsWith(CITE_OPEN)) return context.cite(Number(piece.slice(1, -1)));
    return supported(restore(piece), context);
  });
}

function supported(what: string | VNode, context: Context): ComponentChildren {
  return context.open ? <span class="unsupported">{what}</span> : what;
}

function link(token: Token, context: Context, depth: number): ComponentChildren {
  const target = 'href' in token ? String(token.href) : '';
  // A bare address swallows the signs behind it; they are given back.
  const { raw } = token;
  const at = raw.search(SIGN);
  if (at >= 0 && !raw.startsWith('[')) {
    const address = raw.slice(0, at);
    return [anchor(address.replace(/^www\./i, 'http://www.'), restore(address), context), words(raw.slice(at), context)];
  }
  const label = children('tokens' in token ? token.tokens : undefined, context, depth + 1);
  return anchor(target, label, context);
}

function anchor(target: string, label: ComponentChildren, context: Context): ComponentChildren {
  const href = safeLink(decode(unmark(target)));
  if (!href) return supported(<span class="no-link">{label}</span>, context);
  const element = (
    <a href={href} target="_blank" rel="noopener noreferrer" referrerpolicy="no-referrer" title={href}>{label}</a>
  );
  return supported(element, context);
}

/** A ticked or an empty box. */
export function box(checked: boolean): VNode {
  return <span class="box" role="img" aria-label={checked ? 'done' : 'not done'}>{checked ? '☑' : '☐'}</span>;
}

/** A picture of an answer is never fetched: asking for it could carry words out. */
function Picture({ words, address }: { words: string; address: string }): VNode {
  return (
    <span class="picture">
      <span class="picture-words">{unmark(words) || 'Picture'}</span> <span class="picture-address">({unmark(address)})</span>
    </span>
  );
}
