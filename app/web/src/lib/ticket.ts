/** The legs on the ticket: kept while pages change, and filled from elsewhere. */
import { useSyncExternalStore } from "react";
import type { DraftLeg } from "../components/leg-editor";

let legs: readonly DraftLeg[] = [];
const listeners = new Set<() => void>();

export function setTicket(next: readonly DraftLeg[]): void {
  legs = next;
  for (const listener of listeners) listener();
}

export function useTicket(): readonly DraftLeg[] {
  return useSyncExternalStore(
    listener => (listeners.add(listener), () => void listeners.delete(listener)),
    () => legs,
  );
}
