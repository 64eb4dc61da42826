import type { VNode } from 'preact';
import { drawer } from '../state/drawer';
import { Icon } from './Icon';

/** Opens the list of conversations on narrow screens. */
export function DrawerButton(): VNode {
  return (
    <button
      type="button"
      class="icon-button drawer-button"
      aria-label="Conversations and settings"
      aria-expanded={drawer.value}
      onClick={() => { drawer.value = !drawer.value; }}
    >
      <Icon name="menu" />
    </button>
  );
}
