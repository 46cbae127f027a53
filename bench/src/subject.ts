/** The measured frameworks. */
export type Framework = 'Fastify' | 'Express'

/** The check of each request's caller. The last two are Express middleware. */
export type Check = 'none' | 'countersign' | 'handwritten' | 'client-certificate-auth' | 'passport-client-cert'

/** Counts the requests that were allowed. */
export interface Meter {
  count(): void
}

/** How a server differs from the default. */
export interface ServerVariant {
  /** Default 1. Express 5 has no HTTP/2. */
  readonly http?: 1 | 2
  /** A server without a check sends this response to every request when denials are measured. */
  readonly refusal?: string
}
