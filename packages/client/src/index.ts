/**
 * Calls to other services over mTLS: an `https.Agent`, `fetch`, undici and TLS without HTTP.
 *
 * @module @countersign/client
 */
export { type AgentOptions, createAgent } from './https/create-agent.ts'
export { createDispatcher, type DispatcherOptions } from './fetch/create-dispatcher.ts'
export { createFetch, type Fetch, type FetchOptions } from './fetch/create-fetch.ts'
export type { JwtSvidOptions, JwtSvidProvider } from './fetch/jwt-svid-tokens.ts'
export type { FetchInit } from './fetch/adopt-request.ts'
export { connectTls, type ConnectTlsOptions, type ServerSocket } from './tls/connect-tls.ts'
export { type CallerSocket, createTlsServer, type TlsServerOptions } from './tls/create-tls-server.ts'
export type { HostNames, ServerNames } from '@countersign/core'
