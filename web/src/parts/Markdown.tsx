// An answer's Markdown as elements. Nothing is ever parsed as HTML: tokens
// become elements one by one, HTML stays the words that it is, pictures are
// told and not fetched, and links lead to http and https only.
import { marked, type Token, type Tokens } from 'marked';
import { Component, type ComponentChildren, type VNode } from 'preact';
import { mark, type Range } from '../text/marks';
import { settle } from '../text/settle';
import { box, children, type Context } from './inline';
import { Code } from './Code';

/** Characters beyond which a text is shown as it is. */
const MOST = 200_000;
/** Lists and quotations within each other beyond which they are shown as words. */
const DEEPEST = 16;

export interface MarkdownProps {
  text: string;
  /** Whether more of it is to come. */
  growing?: boolean;
  /** Numbers that are citations. */
  cited?: ReadonlySet<number>;
  /** Claims that no source backs, in code points of the text. */
  unsupported?: readonly Range[];
  /** The pill of a citation. */
  cite?: (n: number) => VNode;
}

export function Markdown(props: MarkdownProps): VNode {
  const { text, growing = false, cited = new Set<number>(), unsupported = [] } = props;
  const cite = props.cite ?? ((n: number) => <span>[{n}]</span>);
  const tokens = lex(text, growing, cited, unsupported);
  if (!tokens) return <p class="plain">{text}</p>;
  // References are defined anywhere; a new one changes blocks before it.
  const links = JSON.stringify(tokens.links);
  return (
    <div class="markdown">
      {tokens.map((token, at) => <Block key={at} token={token} links={links} cited={cited.size} cite={cite} />)}
    </div>
  );
}

function lex(text: string, growing: boolean, cited: ReadonlySet<number>, unsupported: readonly Range[]) {
  if (text.length > MOST) return null;
  try {
    const whole = mark(text, cited, unsupported);
    return marked.lexer(growing ? settle(whole) : whole, { gfm: true });
  } catch {
    return null;
  }
}

interface BlockProps {
  token: Token;
  links: string;
  cited: number;
  cite: (n: number) => VNode;
}

/** A block that is made anew only when its words change: an answer grows at its end. */
class Block extends Component<BlockProps> {
  override shouldComponentUpdate(next: BlockProps): boolean {
    const { token, links, cited } = this.props;
    return next.token.raw !== token.raw || next.token.type !== token.type || next.links !== links
      || next.cited !== cited;
  }

  render({ token, cite }: BlockProps): ComponentChildren {
    return block(token, { cite, depth: 0, open: false });
  }
}

/** The element of a block. */
export function block(token: Token, context: Context): ComponentChildren {
  if (context.depth > DEEPEST) return token.raw;
  context.open = false;
  const deeper: Context = { ...context, depth: context.depth + 1 };
  switch (token.type) {
    case 'space':
    case 'def':
      return null;
    case 'heading': {
      // The page has headings of its own above those of an answer.
      const Tag = (['h3', 'h4', 'h5', 'h6'] as const)[Math.min(token.depth, 4) - 1] ?? 'h6';
      return <Tag>{children(token.tokens, context)}</Tag>;
    }
    case 'paragraph':
      return <p>{children(token.tokens, context)}</p>;
    case 'text':
      return token.tokens ? children(token.tokens, context) : children([token], context);
    case 'blockquote':
      return <blockquote>{(token.tokens ?? []).map((inner) => block(inner, deeper))}</blockquote>;
    case 'code':
      return <Code text={token.text} language={token.lang ?? ''} />;
    case 'hr':
      return <hr />;
    case 'list':
      return list(token as Tokens.List, deeper);
    case 'table':
      return table(token as Tokens.Table, context);
    case 'html':
      return <p>{children([{ type: 'text', raw: token.raw, text: token.raw.trimEnd() } as Token], context)}</p>;
    default:
      return <p>{children([{ type: 'text', raw: token.raw, text: token.raw } as Token], context)}</p>;
  }
}

function list(token: Tokens.List, context: Context): VNode {
  const items = token.items.map((item, at) => (
    <li key={at} class={item.task ? 'task' : undefined}>
      {item.task && !item.tokens.some((inner) => hasBox(inner)) ? box(item.checked === true) : null}
      {item.tokens.map((inner) => block(inner, context))}
    </li>
  ));
  if (!token.ordered) return <ul>{items}</ul>;
  return <ol start={typeof token.start === 'number' ? token.start : 1}>{items}</ol>;
}

function hasBox(token: Token): boolean {
  return token.type === 'checkbox' || ('tokens' in token && token.tokens?.[0]?.type === 'checkbox');
}

function table(token: Tokens.Table, context: Context): VNode {
  const cell = (cell: Tokens.TableCell, at: number) => {
    context.open = false;
    const align = token.align[at];
    const kind = align ? `align-${align}` : undefined;
    const words = children(cell.tokens, context);
    return cell.header ? <th key={at} scope="col" class={kind}>{words}</th> : <td key={at} class={kind}>{words}</td>;
  };
  return (
    <div class="table" role="region" aria-label="Table" tabIndex={0}>
      <table>
        <thead><tr>{token.header.map(cell)}</tr></thead>
        <tbody>{token.rows.map((row, at) => <tr key={at}>{row.map(cell)}</tr>)}</tbody>
      </table>
    </div>
  );
}
