/** A server-sent event. */
export interface ServerEvent {
  id: string | null;
  name: string;
  data: string;
}

/**
 * Reads server-sent events from text that comes in any pieces: line ends may be
 * `\n`, `\r\n` or `\r`, and a piece may end between the two signs of one.
 */
export class EventReader {
  private line = '';
  private sawReturn = false;
  private first = true;
  private id: string | null = null;
  private name = '';
  private data: string[] = [];

  /** The events that are whole with this piece. */
  push(piece: string): ServerEvent[] {
    const events: ServerEvent[] = [];
    for (const sign of piece) {
      if (this.first) {
        this.first = false;
        if (sign === '\uFEFF') continue;
      }
      if (sign === '\n' && this.sawReturn) {
        this.sawReturn = false;
        continue;
      }
      this.sawReturn = sign === '\r';
      if (sign !== '\n' && sign !== '\r') {
        this.line += sign;
        continue;
      }
      const event = this.take(this.line);
      this.line = '';
      if (event) events.push(event);
    }
    return events;
  }

  private take(line: string): ServerEvent | null {
    if (line === '') return this.dispatch();
    const colon = line.indexOf(':');
    if (colon === 0) return null;
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (field === 'event') this.name = value;
    else if (field === 'data') this.data.push(value);
    else if (field === 'id' && !value.includes('\0')) this.id = value;
    return null;
  }

  private dispatch(): ServerEvent | null {
    const { data, name } = this;
    this.data = [];
    this.name = '';
    if (data.length === 0) return null;
    return { id: this.id, name: name || 'message', data: data.join('\n') };
  }
}

/** The events of a reply's body. */
export async function* eventsOf(response: Response): AsyncGenerator<ServerEvent> {
  if (!response.body) return;
  const reader = response.body.getReader();
  const decoder = new TextDecoder();
  const events = new EventReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield* events.push(decoder.decode(value, { stream: true }));
    }
  } finally {
    // Leaving early closes the connection; the answer goes on without us.
    reader.cancel().catch(() => {});
  }
}
