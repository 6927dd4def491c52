/** Deliveries as those who send them see them: claimed, and what became of them. Their state: state/delivery-state.ts. */
import type { Connection } from '../connection.js';
import {
  type ClaimedDelivery,
  type ClaimRequest,
  claimDeliveries,
  DELIVERY_CHANNEL,
  type DeliveryOutcome,
  noteOutcomes,
} from '../state/delivery-state.js';
import type { Listener, ListenHandle } from './listener.js';

export function createDeliveries({ prisma }: Connection, listener: Listener) {
  return {
    /** What is due and nobody else has, of every tenant. What is not noted before the lease ends is claimed again. */
    claim: (request: ClaimRequest): Promise<ClaimedDelivery[]> => claimDeliveries(prisma, request),

    note: (outcomes: DeliveryOutcome[]): Promise<void> => noteOutcomes(prisma, outcomes),

    /** Calls back when there may be something to claim. */
    listen: (onWake: () => void): Promise<ListenHandle> => listener.listen(DELIVERY_CHANNEL, () => onWake()),
  };
}
