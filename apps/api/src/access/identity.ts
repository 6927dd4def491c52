/** Who a request comes from. */
import { DEFAULT_TENANT, type Scope, type TenantLimits } from '@rela/contracts';

export interface Identity {
  tenantId: string;
  scope: Scope;
  limits: TenantLimits;
  /** For the log: the id of a key, the subject of a token, or `local`. */
  by: string;
}

/** Whoever is at this machine, where that is all it takes. */
export const localIdentity = (limits: TenantLimits): Identity => ({
  ...{ tenantId: DEFAULT_TENANT.id, scope: 'admin', limits, by: 'local' },
});
