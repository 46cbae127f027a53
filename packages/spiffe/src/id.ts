/** Exported as `@countersign/spiffe/id`: names alone, without certificates and without anything of Node. */
export {
  ConfigurationError,
  type ConfigurationErrorCode,
  CountersignError,
  SpiffeIdError,
  type SpiffeIdErrorCode,
} from './errors.ts'
export { SpiffeId } from './spiffe-id/spiffe-id.ts'
export { parseTrustDomain } from './spiffe-id/trust-domain.ts'
