/** The face of the package: what may be called, and the guard of a connection. */
export {
  assertPublicHost,
  hostOf,
  type Lookup,
  lookupPublic,
  lookupPublicBy,
  PrivateAddressError,
} from './public.js';
