/** The frameworks that are measured. */
export type Framework = 'Fastify' | 'Express'

/** What looks at the caller of each request. The last two are middleware for Express. */
export type Check = 'none' | 'countersign' | 'handwritten' | 'client-certificate-auth' | 'passport-client-cert'

/** Counts the requests that were let through. */
export interface Meter {
  count(): void
}

/** How a server differs from the usual one. */
export interface ServerVariant {
  /** Default 1. Express 5 has no HTTP/2. */
  readonly http?: 1 | 2
  /** A server without a check answers this to every request, where refusals are measured. */
  readonly refusal?: string
}
