/**
 * Gets certificates from a SPIFFE agent and keeps them up to date.
 *
 * @module @countersign/workload-api
 */
export { type EndpointAddress, formatEndpoint, parseEndpointAddress } from './endpoint/endpoint-address.ts'
export { jwtBundleSource, type JwtBundleSourceOptions } from './jwt/jwt-bundle-source.ts'
export type { JwtSvid } from './jwt/jwt-svid.ts'
export { AgentError } from './wire/agent-error.ts'
export {
  createWorkloadApiClient,
  type FetchOptions,
  type JwtSvidRequest,
  type JwtValidationRequest,
  type ValidatedJwt,
  type Watcher,
  type WorkloadApiClient,
  type WorkloadApiClientOptions,
} from './workload-api-client.ts'
export type { AgentSvid } from './x509/read-update.ts'
export type { WorkloadApiSourceOptions } from './x509/source-options.ts'
export { type WorkloadApiSource, workloadApiSource } from './x509/workload-api-source.ts'
