/**
 * Exported as `@countersign/spiffe/id`: SPIFFE IDs and trust domain names only. Has no certificate code and no Node.js
 * dependencies.
 */
export {
  ConfigurationError,
  type ConfigurationErrorCode,
  CountersignError,
  SpiffeIdError,
  type SpiffeIdErrorCode,
} from './errors.ts'
export { SpiffeId } from './spiffe-id/spiffe-id.ts'
export { parseTrustDomain } from './spiffe-id/trust-domain.ts'
