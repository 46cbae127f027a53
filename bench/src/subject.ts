import type { Guard } from '@countersign/core'
import { forAdapter } from '@countersign/core/adapter'

/** The measured frameworks. */
export type Framework = 'Fastify' | 'Express'

/** The check of each request's caller. The last three are Express middleware. */
export type Check =
  | 'none'
  | 'countersign'
  | 'countersign and allow'
  | Part
  | 'handwritten'
  | 'client-certificate-auth'
  | 'passport-client-cert'
  | 'cedar-authorization'

/**
 * A part of what Countersign does to a server, measured alone:
 *
 * - `wrapped`: the server's `emit` is replaced by a function that only calls the original
 * - `attached`: the guard is attached and decides, and the framework knows nothing of it
 * - `empty`: the framework calls an empty hook or middleware, and there is no guard
 * - `property`: that hook or middleware adds a property to the request
 */
type Part = 'wrapped' | 'attached' | 'empty' | 'property'

/** Returns whether the framework's plugin or middleware is part of a check. */
export function usesAdapter(check: Check): boolean {
  return check === 'countersign' || check === 'countersign and allow'
}

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

/** Returns whether the route has a requirement of its own, besides the rules. */
export function isNarrowed(guard: Guard, check: Check): boolean {
  return check === 'countersign and allow' || (check === 'countersign' && !forAdapter(guard).hasOwnRules)
}
