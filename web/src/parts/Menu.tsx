import type { VNode } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { Icon, type IconName } from './Icon';

export interface Choice {
  label: string;
  icon?: IconName;
  danger?: boolean;
  checked?: boolean;
  act: () => void;
}

interface MenuProps {
  label: string;
  icon: IconName;
  choices: Choice[];
}

/** A button that opens a list of things to do. */
export function Menu({ label, icon, choices }: MenuProps): VNode {
  const [isOpen, setOpen] = useState(false);
  const root = useRef<HTMLDivElement>(null);
  const button = useRef<HTMLButtonElement>(null);
  useEffect(() => {
    if (!isOpen) return;
    root.current?.querySelector<HTMLElement>('[role^="menuitem"]')?.focus();
    const outside = (event: Event): void => {
      if (!root.current?.contains(event.target as Node)) setOpen(false);
    };
    document.addEventListener('pointerdown', outside);
    return () => document.removeEventListener('pointerdown', outside);
  }, [isOpen]);
  const leave = (): void => {
    setOpen(false);
    button.current?.focus();
  };
  return (
    <div class="menu" ref={root} onKeyDown={(event) => isOpen && onKey(event, leave)}>
      <button
        ref={button}
        type="button"
        class="icon-button"
        aria-label={label}
        title={label}
        aria-haspopup="menu"
        aria-expanded={isOpen}
        onClick={() => setOpen(!isOpen)}
      >
        <Icon name={icon} />
      </button>
      {isOpen && (
        <div class="menu-list" role="menu" aria-label={label}>
          {choices.map((choice) => (
            <button
              key={choice.label}
              type="button"
              role={choice.checked === undefined ? 'menuitem' : 'menuitemradio'}
              aria-checked={choice.checked}
              class={choice.danger ? 'danger' : undefined}
              tabIndex={-1}
              onClick={() => {
                leave();
                choice.act();
              }}
            >
              {choice.icon && <Icon name={choice.icon} />}
              <span>{choice.label}</span>
              {choice.checked && <Icon name="check" />}
            </button>
          ))}
        </div>
      )}
    </div>
  );
}

function onKey(event: KeyboardEvent, leave: () => void): void {
  if (event.key === 'Escape' || event.key === 'Tab') {
    if (event.key === 'Escape') event.preventDefault();
    leave();
    return;
  }
  const list = (event.currentTarget as HTMLElement).querySelectorAll<HTMLElement>('[role^="menuitem"]');
  const items = [...list];
  const at = items.indexOf(document.activeElement as HTMLElement);
  const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: items.length - 1 }[event.key];
  if (to === undefined) return;
  event.preventDefault();
  items.at(to % items.length)?.focus();
}
