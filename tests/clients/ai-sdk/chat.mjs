// A chat as `useChat` keeps it, without a framework: the library's own class over
// plain values.

class State {
  status = 'ready';
  error = undefined;

  constructor(messages = []) {
    this.messages = messages;
  }

  pushMessage = message => {
    this.messages = [...this.messages, message];
  };

  popMessage = () => {
    this.messages = this.messages.slice(0, -1);
  };

  replaceMessage = (index, message) => {
    this.messages = this.messages.map((other, place) => (place === index ? structuredClone(message) : other));
  };

  snapshot = value => structuredClone(value);
}

/** The class `Chat` of one of the library's versions. */
export function chatOf({ AbstractChat }) {
  return class Chat extends AbstractChat {
    constructor({ messages, ...init }) {
      super({ ...init, state: new State(messages) });
    }
  };
}

/** The words of a message. */
export function words(message) {
  return message.parts.filter(part => part.type === 'text').map(part => part.text).join('');
}
